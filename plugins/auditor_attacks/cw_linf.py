"""Carlini and Wagner's attack in linf: arXiv:1608.04644, section VI.C."""

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
from auditor_attacks._smallest import Smallest

if TYPE_CHECKING:
    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat

# The limit after a success, in units of the largest change; the largest c, as in the paper.
_LOWER, _MOST = 0.9, 20.0


@dataclass(frozen=True, kw_only=True)
class CWLinf(Attack):
    """Descends what changes exceed a limit by, plus `c` times what the margin lacks; every success lowers the limit.

    The limit is 0.9 times the largest change of the smallest example. Where a sample has no success for `patience`
    steps, its `c` is doubled, and once that is 20, the limit comes half of the way back.

    Finds: small linf changes.
    Blind to: models whose gradients are masked; with few steps it lags behind `fmn` and `fab`.
    Cost: `steps` forward and backward passes.
    Use it when: results are to be comparable with papers that report C&W.
    """

    name: ClassVar[str] = "cw-linf"
    paper: ClassVar[str] = "arXiv:1608.04644"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF})
    access: ClassVar[Access] = Access.GRADIENTS
    minimal: ClassVar[bool] = True

    steps: int = parameter(1000, help="steps of the descent", low=1, high=100_000)
    patience: int = parameter(10, help="steps without success until c is doubled", low=1, high=100_000)
    step_size: float = parameter(0.005, help="length of Adam's first step; the last is a tenth", low=1e-6, high=10.0)
    c: float = parameter(1.0, help="the first value of c", low=1e-12, high=1e10)

    def passes(self, num_classes: int) -> Passes:
        return Passes(forwards=self.steps, backwards=self.steps)

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        best, adam, point = Smallest(x, y, threat), Adam(x), x.clone()
        limit, c, idle = x.new_ones(len(x)), x.new_full((len(x),), self.c), x.new_zeros(len(x))
        for step in range(self.steps):
            answer = target.gradient(point, y, _losses.shortfall())
            before = best.size
            best.see(point, answer.logits)
            smaller = best.size < before
            idle = torch.where(smaller, 0.0, idle + 1.0)
            late = idle >= self.patience
            # Where doubling c has not helped, the limit was too low.
            back = late & (c >= _MOST) & best.found
            limit = torch.where(smaller, _LOWER * best.size.to(x.dtype), limit)
            limit = torch.where(back, 0.5 * (limit + best.size.to(x.dtype)), limit)
            c, idle = torch.where(late, (2.0 * c).clamp_max(_MOST), c), torch.where(late, 0.0, idle)
            change = point - x
            over = change.sign() * (change.abs() > per_sample(limit, x))
            length = self.step_size * (1.0 - 0.9 * step / self.steps)
            point = (point - length * adam.step(over - per_sample(c, x) * answer.gradient)).clamp_(0.0, 1.0)
        return best.inside()
