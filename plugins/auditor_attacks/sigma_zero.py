"""Sigma-zero: Cinà, Villani, Pintor, Schönherr, Biggio & Pelillo, arXiv:2402.01879."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.attack import Attack, Passes
from auditor.norms import per_sample
from auditor.parameters import parameter
from auditor.types import Access, Norm
from auditor_attacks import _losses
from auditor_attacks._adam import Adam
from auditor_attacks._smallest import Smallest

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat

_TINY = 1e-12
# Length of the last step, in units of the first.
_LAST = 0.1


@dataclass(frozen=True, kw_only=True)
class SigmaZero(Attack):
    """Descends a smooth count of changed entries and undoes those below a threshold that follows its success.

    Finds: examples with very few changed entries.
    Blind to: models whose gradients are masked.
    Cost: `steps` forward and backward passes.
    Use it when: you want the fewest changed entries that gradients lead to.
    """

    name: ClassVar[str] = "sigma-zero"
    paper: ClassVar[str] = "arXiv:2402.01879"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.L0})
    access: ClassVar[Access] = Access.GRADIENTS
    minimal: ClassVar[bool] = True

    steps: int = parameter(1000, help="steps of the descent", low=1, high=100_000)
    step_size: float = parameter(1.0, help="length of the first step; the last is a tenth", low=1e-6, high=10.0)
    sigma: float = parameter(1e-3, help="how smooth the count is; smaller is sharper", low=1e-12, high=1.0)
    threshold: float = parameter(0.3, help="smallest change that is kept, to begin with", low=0.0, high=1.0)
    adapt: float = parameter(0.01, help="how fast the threshold follows, in units of the step", low=0.0, high=1.0)

    def passes(self, num_classes: int) -> Passes:
        return Passes(forwards=self.steps, backwards=self.steps)

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        best = Smallest(x, y, threat)
        adam, point = Adam(x), x.clone()
        threshold = torch.full((len(x),), self.threshold, device=x.device)
        for step in range(self.steps):
            answer = target.gradient(point, y, _losses.shortfall())
            fools = best.see(point, answer.logits)
            length = self.step_size * (_LAST + (1.0 - _LAST) * 0.5 * (1.0 + math.cos(math.pi * step / self.steps)))
            slope = self._slope(point - x) - answer.gradient
            slope /= per_sample(slope.flatten(1).abs().amax(1).clamp_min(_TINY), slope)
            moved = (point - length * adam.step(slope)).clamp_(0.0, 1.0)
            threshold += torch.where(fools, 1.0, -1.0) * (self.adapt * length)
            threshold.clamp_(0.0, 1.0)
            point = torch.where((moved - x).abs() < per_sample(threshold, x), x, moved)
        return best.inside()

    def _slope(self, change: Tensor) -> Tensor:
        """Gradient of the smooth count `sum(d^2 / (d^2 + sigma)) / D`."""
        return 2.0 * self.sigma / change[0].numel() * change / (change.square() + self.sigma).square()
