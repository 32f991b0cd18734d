"""Carlini and Wagner's attack in l2: arXiv:1608.04644. (`cw-linf` and `cw-l0` are its other forms.)"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.attack import Attack, Passes
from auditor.norms import per_sample
from auditor.parameters import parameter
from auditor.types import Access, Norm
from auditor_attacks import _losses
from auditor_attacks._adam import Adam
from auditor_attacks._smallest import Bisection, Smallest

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat

# Steps once there is an example, in units of those of the descent before.
_SHORTER = 0.7


@dataclass(frozen=True, kw_only=True)
class CW(Attack):
    """Descends squared size plus `c` times what the margin lacks, for several `c`, and cuts to the range of pixels.

    Of the paper's three ways to keep pixels in range this is the projection: in its change of variables, pixels at the
    ends of the range take hundreds of steps to leave. Each descent begins at the smallest example of those before.

    Finds: small l2 changes on undefended and defended models alike, given time.
    Blind to: models whose gradients are masked; with few steps it lags behind `ddn` and `fmn`.
    Cost: `searches * steps` forward and backward passes.
    Use it when: results are to be comparable with papers that report C&W, or as a last word in l2.
    """

    name: ClassVar[str] = "cw"
    paper: ClassVar[str] = "arXiv:1608.04644"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.L2})
    access: ClassVar[Access] = Access.GRADIENTS
    minimal: ClassVar[bool] = True

    steps: int = parameter(200, help="steps for each value of c", low=1, high=100_000)
    searches: int = parameter(9, help="values of c tried, by bisection", low=1, high=100)
    step_size: float = parameter(0.01, help="length of Adam's steps in the first descent", low=1e-6, high=10.0)
    c: float = parameter(1.0, help="the first value of c", low=1e-12, high=1e10)
    confidence: float = parameter(0.0, help="margin that an example must reach", low=0.0, high=1e6)

    def passes(self, num_classes: int) -> Passes:
        return Passes(forwards=self.searches * self.steps, backwards=self.searches * self.steps)

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        best, c = Smallest(x, y, threat), Bisection(x, self.c)
        length = x.new_full((len(x),), self.step_size)
        for _ in range(self.searches):
            c.learn(self._descend(target, x, y, best, c.value, length))
            length = torch.where(best.found, _SHORTER * length, length)
        return best.inside()

    def _descend(self, target: View, x: Images, y: Labels, best: Smallest, c: Tensor, length: Tensor) -> Tensor:
        """One descent from the smallest example so far; which samples an example was seen of, `(N,)`."""
        loss = _losses.shortfall(self.confidence)
        adam, fooled = Adam(x), torch.zeros(len(x), dtype=torch.bool, device=x.device)
        point = best.point.clone()
        for _ in range(self.steps):
            answer = target.gradient(point, y, loss)
            fooled |= best.see(point, answer.logits)
            slope = 2.0 * (point - x) - per_sample(c, x) * answer.gradient
            point = (point - per_sample(length, x) * adam.step(slope)).clamp_(0.0, 1.0)
        return fooled
