"""Rotations and shifts that are tried out: Engstrom et al., arXiv:1712.02779."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.attack import Attack, Passes
from auditor.parameters import parameter
from auditor.types import Access, Norm

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Labels, Threat


@dataclass(frozen=True, kw_only=True)
class Spatial(Attack):
    """Turns and shifts pictures: every combination of a grid, or as many at random.

    Finds: the worst rotation and shift to within the grid; most networks trained without such changes fall to it.
    Blind to: what lies between the points of the grid.
    Cost: `rotations * shifts^2` forward passes for the grid, `draws` at random.
    Use it when: a camera may stand askew. The authors found the grid stronger than gradients, and ten random draws
        nearly as strong.
    """

    name: ClassVar[str] = "spatial"
    paper: ClassVar[str] = "arXiv:1712.02779"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.SPATIAL})
    access: ClassVar[Access] = Access.LABELS
    minimal: ClassVar[bool] = True
    images_only: ClassVar[bool] = True

    search: str = parameter("grid", help="which changes are tried", choices=("grid", "random"))
    rotations: int = parameter(31, help="angles of the grid", low=1, high=10_000)
    shifts: int = parameter(5, help="shifts of the grid in each direction", low=1, high=1000)
    draws: int = parameter(10, help="random changes that are tried", low=1, high=1_000_000)

    @property
    def label(self) -> str:
        return f"spatial-{self.search}"

    def passes(self, num_classes: int) -> Passes:
        return Passes(forwards=1 + (self.draws if self.search == "random" else self.rotations * self.shifts**2))

    def perturb(self, target: View, x: Tensor, y: Labels, threat: Threat, rng: Rng) -> Tensor:
        most = min(threat.eps, 1.0)
        points = x
        if self.search == "random":
            for _ in range(self.draws):
                points = rng.uniform(3, low=-most, high=most)
                target.labels(points)
            return points
        # From the outside in: what falls, falls to large changes more often; for the smallest, all are tried anyway.
        grid = torch.cartesian_prod(_span(self.rotations), _span(self.shifts), _span(self.shifts)).to(x) * most
        for change in grid[grid.abs().sum(1).argsort(descending=True, stable=True)]:
            points = change.expand_as(x).contiguous()
            target.labels(points)
        return points


def _span(count: int) -> Tensor:
    return torch.linspace(-1.0, 1.0, count) if count > 1 else torch.zeros(1)
