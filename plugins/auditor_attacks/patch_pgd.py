"""A patch for each picture, in the place where it does most: PGD as in Madry et al., arXiv:1706.06083, on a square.

The choice of the place follows Rao et al., arXiv:2005.02313, who found it to matter more than the steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch.nn import functional

from auditor.attack import Attack, Passes
from auditor.parameters import parameter
from auditor.spaces import patch_side, square_at
from auditor.steps import unit_mean
from auditor.types import Access, Norm
from auditor_attacks import _losses

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat


@dataclass(frozen=True, kw_only=True)
class PatchPGD(Attack):
    """Paints squares in each picture along the gradient, first where a linear model says that one can do most.

    Finds: the worst patch to within the places tried; nearly every network without a defense falls to 5 %.
    Blind to: shapes other than squares, and defenses that mask gradients (try `patch-rs`).
    Cost: per place `steps` backward and `steps + 1` forward passes, and one of each to choose the first.
    Use it when: an attacker knows the picture that the patch will lie in. For one that does not: `adversarial-patch`.
    """

    name: ClassVar[str] = "patch-pgd"
    paper: ClassVar[str] = "arXiv:2005.02313"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.PATCH})
    access: ClassVar[Access] = Access.GRADIENTS
    images_only: ClassVar[bool] = True

    steps: int = parameter(40, help="steps in each place", low=1, high=100_000)
    places: int = parameter(4, help="places that are tried", low=1, high=10_000)
    step_size: float = parameter(0.1, help="length of the first step, in pixel values", low=0.0, high=1.0)

    def passes(self, num_classes: int) -> Passes:
        each = self.places * self.steps
        return Passes(forwards=each + self.places + 2, backwards=each + 1)

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        loss = _losses.untargeted("margin")
        height, width = x.shape[2:]
        side = patch_side(threat.eps, height, width)
        points = x
        gains = _gains(target.gradient(x, y, loss).gradient, x, side)
        for _ in range(self.places):
            top, left = _best(gains)
            # The next place is another one: at least half a patch away.
            gains = gains.masked_fill(_near(gains, top, left, max(1, side // 2)), -torch.inf)
            where = square_at(top, left, side, height, width)
            points = torch.where(where, rng.uniform(*x.shape[1:]), x)
            velocity = torch.zeros_like(x)
            for step in range(self.steps):
                velocity = 0.9 * velocity + unit_mean(target.gradient(points, y, loss).gradient * where)
                length = self.step_size * (1.0 - step / self.steps)
                points = torch.where(where, (points + length * velocity.sign()).clamp(0.0, 1.0), x)
            target.logits(points)
        return points


def _gains(gradient: Tensor, x: Images, side: int) -> Tensor:
    """What a linear model of the network says that each square can do, by its upper left corner, `(N, h, w)`."""
    room = torch.where(gradient > 0.0, 1.0 - x, x)
    return functional.avg_pool2d((gradient.abs() * room).sum(1, keepdim=True), side, stride=1).squeeze(1)


def _best(gains: Tensor) -> tuple[Tensor, Tensor]:
    """Row and column of the largest, `(N,)` each; where all were tried, the first again."""
    best = gains.flatten(1).argmax(1)
    return best // gains.shape[2], best % gains.shape[2]


def _near(gains: Tensor, top: Tensor, left: Tensor, reach: int) -> Tensor:
    """Which corners lie within `reach` of these, `(N, h, w)` bool."""
    rows = (torch.arange(gains.shape[1], device=top.device) - top[:, None]).abs() < reach
    columns = (torch.arange(gains.shape[2], device=top.device) - left[:, None]).abs() < reach
    return rows[:, :, None] & columns[:, None, :]
