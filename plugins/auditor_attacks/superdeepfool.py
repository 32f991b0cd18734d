"""SuperDeepFool: Abdollahpoorrostam, Abroshan & Moosavi-Dezfooli, arXiv:2303.12481."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.attack import Attack, Passes
from auditor.engine.ledger import margins
from auditor.norms import per_sample
from auditor.parameters import parameter
from auditor.types import Access, Norm
from auditor_attacks._crossing import cross, crossing
from auditor_attacks._minimal import size, unfinished
from auditor_attacks._planes import between, past_plane

if TYPE_CHECKING:
    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat


# A round that changes the distance by less than this share is the last.
_CONVERGED = 1e-3


@dataclass(frozen=True, kw_only=True)
class SuperDeepFool(Attack):
    """Crosses the border as DeepFool does, then looks from the sample to the border's tangent there, and so on.

    At the nearest point of a border the way to it is perpendicular to the border; each projection turns it so. The
    last point is drawn back towards the sample by `halvings` of the way between.

    Finds: l2 examples nearly as small as searches of hundreds of steps do, for a tenth of their gradients.
    Blind to: other borders than the first; linf, where perpendicular means nothing.
    Cost: `rounds` times that of `deepfool`, at most; samples leave when their projection is an example, or
    changed nothing.
    Use it when: `deepfool` is too rough and `fab` too dear.
    """

    name: ClassVar[str] = "superdeepfool"
    paper: ClassVar[str] = "arXiv:2303.12481"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.L2})
    access: ClassVar[Access] = Access.GRADIENTS
    minimal: ClassVar[bool] = True

    rounds: int = parameter(20, help="projections onto the border at most", low=1, high=100_000)
    steps: int = parameter(50, help="linearisations at most to meet the border, each round", low=1, high=100_000)
    classes: int = parameter(3, help="wrong classes compared at each step, likeliest first", low=1, high=100_000)
    overshoot: float = parameter(0.02, help="share by which the border is passed", low=0.0, high=10.0)
    halvings: int = parameter(10, help="halvings of the way back to the sample", low=0, high=50)

    def passes(self, num_classes: int) -> Passes:
        once = crossing(self.steps, min(self.classes, num_classes - 1))
        forwards = self.rounds * (once.forwards + 2) + self.halvings
        return Passes(forwards=forwards, backwards=self.rounds * (once.backwards + 1))

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        point, best = x.clone(), x.clone()
        least = torch.full((len(x),), torch.inf, device=x.device)
        rows = torch.arange(len(x), device=x.device)
        done = torch.zeros(len(x), dtype=torch.bool, device=x.device)
        for turn in range(self.rounds):
            part, origin, label = target.select(rows), x[rows], y[rows]
            edge = cross(part, point[rows], label, Norm.L2, self.steps, self.classes, self.overshoot)
            # The margin there is of the class that the model takes it for.
            answer = part.gradient(edge, label, margins)
            rise = (answer.gradient * (edge - origin)).flatten(1).sum(1)
            foot = past_plane(origin, answer.gradient, rise, Norm.L2)
            fooled = margins(part.logits(foot), label) > 0
            smallest = torch.where(per_sample(fooled, foot), foot, edge)
            reach = size(smallest - origin, Norm.L2)
            better = (reach < least[rows]) & (fooled | (answer.loss > 0)) & ~done[rows]
            done[rows] |= fooled | ((reach / least[rows] - 1.0).abs() < _CONVERGED)
            best[rows] = torch.where(per_sample(better, edge), smallest, best[rows])
            least[rows] = torch.where(better, reach, least[rows])
            # Where no border was met there is no tangent to look to: every other time the walk just goes on.
            lost = least[rows].isinf() & (turn % 2 == 0)
            point[rows] = torch.where(per_sample(lost, foot), edge, foot)
            rows = unfinished(rows, done, turn)
            if not len(rows):
                break
        return threat.project(self._drawn_back(target, best, x, y), x)

    def _drawn_back(self, target: View, point: Images, x: Images, y: Labels) -> Images:
        low, high = torch.zeros(len(x), device=x.device), torch.ones(len(x), device=x.device)
        for _ in range(self.halvings):
            share = (low + high) / 2.0
            fooled = margins(target.logits(between(x, point, share)), y) > 0
            low, high = torch.where(fooled, low, share), torch.where(fooled, share, high)
        return between(x, point, high)
