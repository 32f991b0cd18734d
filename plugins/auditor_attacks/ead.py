"""Elastic-net attack: Chen, Sharma, Zhang, Yi & Hsieh, arXiv:1709.04114."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch.nn import functional

from auditor.attack import Attack, Passes
from auditor.norms import per_sample
from auditor.parameters import parameter
from auditor.types import Access, Norm
from auditor_attacks import _losses
from auditor_attacks._smallest import Bisection, Smallest

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat


@dataclass(frozen=True, kw_only=True)
class EAD(Attack):
    """Shrinks changes towards 0 while it descends squared size plus `c` times what the margin lacks.

    The paper shrinks by 0.001 at steps of 0.01, which is `beta=0.1` here, and lets c grow from 0.001: changes that are
    not the smallest in l1. Hardened models want a smaller `beta` than others.

    Finds: small l1 changes, most entries of which are 0.
    Blind to: models whose gradients are masked; with few steps it lags behind `fmn`.
    Cost: `searches * steps` forward and backward passes.
    Use it when: results are to be comparable with papers that report EAD, or as a last word in l1.
    """

    name: ClassVar[str] = "ead"
    paper: ClassVar[str] = "arXiv:1709.04114"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.L1})
    access: ClassVar[Access] = Access.GRADIENTS
    minimal: ClassVar[bool] = True

    steps: int = parameter(130, help="steps for each value of c", low=1, high=100_000)
    searches: int = parameter(6, help="values of c tried, by bisection", low=1, high=100)
    step_size: float = parameter(0.01, help="length of the first step; it falls to 0 as a root", low=1e-6, high=10.0)
    c: float = parameter(3.0, help="the first value of c", low=1e-12, high=1e10)
    beta: float = parameter(2.0, help="weight of l1 beside squared l2", low=0.0, high=1000.0)

    def passes(self, num_classes: int) -> Passes:
        return Passes(forwards=self.searches * self.steps, backwards=self.searches * self.steps)

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        best, c = Smallest(x, y, threat), Bisection(x, self.c)
        for _ in range(self.searches):
            c.learn(self._descend(target, x, y, best, c.value))
        return best.inside()

    def _descend(self, target: View, x: Images, y: Labels, best: Smallest, c: Tensor) -> Tensor:
        """One descent from the sample; which samples an example was seen of, `(N,)`."""
        fooled = torch.zeros(len(x), dtype=torch.bool, device=x.device)
        point = ahead = x
        for step in range(self.steps):
            answer = target.gradient(ahead, y, _losses.shortfall())
            fooled |= best.see(ahead, answer.logits)
            slope = 2.0 * (ahead - x) - per_sample(c, x) * answer.gradient
            length = self.step_size * (1.0 - step / self.steps) ** 0.5
            before, point = point, self._shrunk(ahead - length * slope, x)
            # Nesterov's momentum; where it leaves the range, the model is asked at the border.
            ahead = (point + step / (step + 3.0) * (point - before)).clamp_(0.0, 1.0)
        return fooled

    def _shrunk(self, point: Tensor, x: Images) -> Tensor:
        """Every change made smaller by the same amount, however short the steps have become, and cut to the range."""
        return (x + functional.softshrink(point - x, self.step_size * self.beta)).clamp_(0.0, 1.0)
