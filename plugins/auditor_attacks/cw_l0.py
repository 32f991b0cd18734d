"""Carlini and Wagner's attack in l0: arXiv:1608.04644, section VI.B."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.attack import Attack, Passes
from auditor.engine.ledger import margins
from auditor.norms import per_sample
from auditor.parameters import parameter
from auditor.types import Access, Norm
from auditor_attacks._adam import Adam
from auditor_attacks._smallest import Smallest

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat


@dataclass(frozen=True, kw_only=True)
class CWL0(Attack):
    """Looks for a small l2 change, forbids the entries that mattered least in it, and begins again with the others.

    After a failure the entries forbidden last are allowed again, half as many are forbidden at once, and `c` grows
    fourfold.

    Finds: changes of few entries, also where single entries must change a lot.
    Blind to: models whose gradients are masked; `sigma-zero` needs a fraction of its steps.
    Cost: `rounds * steps` forward and backward passes.
    Use it when: results are to be comparable with papers that report C&W in l0.
    """

    name: ClassVar[str] = "cw-l0"
    paper: ClassVar[str] = "arXiv:1608.04644"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.L0})
    access: ClassVar[Access] = Access.GRADIENTS
    minimal: ClassVar[bool] = True

    steps: int = parameter(20, help="steps of each search in l2", low=1, high=100_000)
    rounds: int = parameter(50, help="searches in l2", low=1, high=10_000)
    step_size: float = parameter(0.1, help="length of Adam's steps", low=1e-6, high=10.0)
    c: float = parameter(10.0, help="the first value of c", low=1e-12, high=1e10)
    share: float = parameter(0.4, help="share of the changed entries that is forbidden at once", low=0.01, high=0.99)

    def passes(self, num_classes: int) -> Passes:
        return Passes(forwards=self.rounds * self.steps, backwards=self.rounds * self.steps)

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        best = Smallest(x, y, threat)
        c, share = x.new_full((len(x),), self.c), x.new_full((len(x),), self.share)
        allowed = torch.ones_like(x, dtype=torch.bool)
        start, worth = x.clone(), torch.full_like(x, torch.inf)
        for _ in range(self.rounds):
            example, gradient, found = self._descend(target, x, y, best, torch.where(allowed, start, x), allowed, c)
            start = torch.where(per_sample(found, x), example, start)
            worth = torch.where(per_sample(found, x), (gradient * (example - x)).abs(), worth)
            share = torch.where(found, share, 0.5 * share)
            c = torch.where(found, c, 4.0 * c).clamp_max(_MOST)
            allowed = _worthiest(worth, start != x, share)
        return best.inside()

    def _descend(
        self, target: View, x: Images, y: Labels, best: Smallest, point: Images, allowed: Tensor, c: Tensor
    ) -> tuple[Images, Tensor, Tensor]:
        """The smallest example in l2 that changes allowed entries only, its gradient, where there is one, `(N,)`."""
        adam, size = Adam(x), x.new_full((len(x),), torch.inf)
        example, gradient = point, torch.zeros_like(x)
        for _ in range(self.steps):
            answer = target.gradient(point, y, margins)
            fools = best.see(point, answer.logits)
            now = (point - x).flatten(1).square().sum(1)
            better = fools & (now < size)
            size = torch.where(better, now, size)
            example = torch.where(per_sample(better, x), point, example)
            gradient = torch.where(per_sample(better, x), answer.gradient, gradient)
            pull = answer.gradient * per_sample(c * ~fools, x)
            moved = point - self.step_size * adam.step(2.0 * (point - x) - pull)
            point = torch.where(allowed, moved.clamp_(0.0, 1.0), x)
        return example, gradient, size.isfinite()


# Largest c, far beyond what networks need.
_MOST = 1e6


def _worthiest(worth: Tensor, changed: Tensor, share: Tensor) -> Tensor:
    """The changed entries worth most, at least one less than all of them; everything where nothing changed."""
    count = changed.flatten(1).sum(1)
    kept = torch.minimum((count * (1.0 - share)).ceil().long(), count - 1).clamp_min_(1)
    order = worth.masked_fill(~changed, -1.0).flatten(1).argsort(dim=1, descending=True, stable=True)
    place = torch.arange(order.shape[1], device=order.device).expand_as(order)
    rank = torch.empty_like(order).scatter_(1, order, place)
    return ((rank < kept[:, None]) | (count == 0)[:, None]).view_as(worth)
