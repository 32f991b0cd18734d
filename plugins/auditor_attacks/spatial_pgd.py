"""Rotations and shifts along the gradient: the first-order attack of Engstrom et al., arXiv:1712.02779."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from auditor.attack import Attack, Passes
from auditor.parameters import parameter
from auditor.types import Access, Norm
from auditor_attacks import _losses

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Labels, Threat


@dataclass(frozen=True, kw_only=True)
class SpatialPGD(Attack):
    """Climbs the loss over angle and shifts with signed steps that shrink, from random places.

    Finds: the nearest hill of a landscape that has many.
    Blind to: all the others, which is why the authors found a grid to be stronger.
    Cost: per restart `steps` backward and `steps + 1` forward passes.
    Use it when: a model is large, and a grid too dear.
    """

    name: ClassVar[str] = "spatial-pgd"
    paper: ClassVar[str] = "arXiv:1712.02779"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.SPATIAL})
    access: ClassVar[Access] = Access.GRADIENTS
    images_only: ClassVar[bool] = True

    steps: int = parameter(20, help="steps of each restart", low=1, high=100_000)
    restarts: int = parameter(3, help="random starting points", low=1, high=10_000)
    step_size: float = parameter(0.25, help="length of the first step in units of eps", low=0.0, high=2.0)
    loss: str = parameter("margin", help="what the steps raise", choices=("ce", "margin", "dlr"))

    def passes(self, num_classes: int) -> Passes:
        each = self.restarts * self.steps
        return Passes(forwards=each + self.restarts + 1, backwards=each)

    def perturb(self, target: View, x: Tensor, y: Labels, threat: Threat, rng: Rng) -> Tensor:
        loss = _losses.untargeted(self.loss)
        most = min(threat.eps, 1.0)
        points = x
        for _ in range(self.restarts):
            points = rng.uniform(3, low=-most, high=most)
            for step in range(self.steps):
                length = most * self.step_size * (1.0 - step / self.steps)
                ascent = target.gradient(points, y, loss).gradient.sign()
                points = threat.project(points + length * ascent, x)
            target.logits(points)
        return points
