"""Auto-PGD: Croce & Hein, arXiv:2003.01690; for l1 Croce & Hein, arXiv:2103.01208."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.attack import Attack, Passes
from auditor.norms import per_sample
from auditor.parameters import parameter
from auditor.types import Access, Norm
from auditor_attacks import _losses
from auditor_attacks._schedules import Halving, Sparse, climb
from auditor_attacks._steps import Ball

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from auditor.engine.view import Loss, View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat

# l1 spends its steps in balls of falling radius: a larger one is easier to search, and its best point a good start.
_L1_STAGES = ((3.0, 0.3), (2.0, 0.3), (1.0, 0.4))


@dataclass(frozen=True, kw_only=True)
class APGD(Attack):
    """Climbs the loss with momentum, halving each sample's step when it stalls and returning to its best point.

    `dlr-targeted` climbs towards each of the likeliest wrong classes in turn. With fewer than 3 classes (targeted: 4)
    the ratio in the dlr losses does not exist, and the plain difference of logits is climbed.

    Finds: nearly everything that gradients can find; `ce` and `dlr-targeted` together are AutoAttack's core.
    Blind to: models whose gradients are masked, random or missing (try `square`).
    Cost: per restart `steps` backward and `steps + 1` forward passes (l1: 2 more), times `targets` for
    `dlr-targeted`, which asks once more for the order of the classes.
    """

    name: ClassVar[str] = "apgd"
    paper: ClassVar[str] = "arXiv:2003.01690"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF, Norm.L2, Norm.L1})
    access: ClassVar[Access] = Access.GRADIENTS

    steps: int = parameter(100, help="steps of each restart", low=1, high=100_000)
    restarts: int = parameter(1, help="random starting points", low=1, high=10_000)
    loss: str = parameter("ce", help="what the steps raise", choices=("ce", "dlr", "dlr-targeted", "margin"))
    targets: int = parameter(9, help="wrong classes tried by dlr-targeted, likeliest first", low=1, high=100_000)
    rho: float = parameter(0.75, help="share of steps that must raise the loss to keep the step", low=0.0, high=1.0)

    @property
    def label(self) -> str:
        return "apgd-t" if self.loss == "dlr-targeted" else f"apgd-{self.loss}"

    def passes(self, num_classes: int) -> Passes:
        runs = self.restarts * self._targets(num_classes)
        order = int(self.loss == "dlr-targeted")
        return Passes(forwards=runs * (self.steps + 1) + order, backwards=runs * self.steps)

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        best, most = x, x.new_full((len(x),), -torch.inf)
        for name, loss in self._losses(target, x, y):
            for restart in range(self.restarts):
                found, value = self._climb(target, x, y, threat, loss, rng.fork(f"{name}, restart {restart}"))
                # A sample whose loss is NaN comes back as NaN: not evaluated, which is not the same as not broken.
                better = (value > most) | value.isnan()
                best, most = torch.where(per_sample(better, x), found, best), torch.where(better, value, most)
        return best

    def _targets(self, num_classes: int) -> int:
        return min(self.targets, num_classes - 1) if self.loss == "dlr-targeted" else 1

    def _losses(self, target: View, x: Images, y: Labels) -> Iterator[tuple[str, Loss]]:
        if self.loss != "dlr-targeted":
            yield self.loss, _losses.untargeted(self.loss)
            return
        wrong = target.logits(x).scatter(1, y[:, None], -torch.inf)
        order = wrong.argsort(dim=1, descending=True, stable=True)
        for rank in range(self._targets(target.num_classes)):
            yield f"target {rank}", _losses.towards(order[:, rank])

    def _climb(self, target: View, x: Images, y: Labels, threat: Threat, loss: Loss, rng: Rng) -> tuple[Tensor, Tensor]:
        """One restart: the point of highest loss, `(N, …)`, and that loss, `(N,)`."""
        stages = _L1_STAGES if threat.norm is Norm.L1 else ((1.0, 1.0),)
        steps = [int(share * self.steps) for _, share in stages]
        steps[-1] = self.steps - sum(steps[:-1])
        balls = [Ball(x, threat.norm, radius * threat.eps) for radius, _ in stages]
        point, value = balls[0].surface(rng), x.new_full((len(x),), -torch.inf)
        for ball, count in zip(balls, steps, strict=True):
            if count:
                schedule = Sparse(ball, count) if ball.norm is Norm.L1 else Halving(ball, count, self.rho)
                point, value = climb(target, y, loss, ball.project(point), schedule, count)
        return point, value
