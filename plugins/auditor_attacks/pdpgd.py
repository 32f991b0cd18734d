"""Primal-dual proximal gradient descent: Matyasko & Chau, arXiv:2106.01538."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch.nn import functional

from auditor.attack import Attack, Passes
from auditor.engine.ledger import margins
from auditor.norms import per_sample
from auditor.parameters import parameter
from auditor.types import Access, Norm
from auditor_attacks._proximal import nearer

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat

# The weight of the constraint is kept within this factor of that of the size.
_MOST = math.log(1e6)
_MEAN, _SQUARE = 0.9, 0.999
_SMOOTH = 0.1


@dataclass(frozen=True, kw_only=True)
class PDPGD(Attack):
    """Weighs size against misclassification, and learns the weight: up while the model is right, down while wrong.

    Each step is one of Adam down the softened margin, then a proximal step that shrinks the change in the threat's
    own norm, in Adam's metric. The weight's logarithm follows the sign of the margin and is smoothed over steps.

    Finds: the smallest examples of all single searches on hardened models, above all in l1, where balls lead astray.
    Blind to: changes far smaller than `step_size`, which it overshoots, and in short runs the right weight: below 100
    steps use `fmn`.
    Cost: `steps` forward and backward passes.
    Use it when: few samples deserve the best that one search can do.
    """

    name: ClassVar[str] = "pdpgd"
    paper: ClassVar[str] = "arXiv:2106.01538"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF, Norm.L2, Norm.L1, Norm.L0})
    access: ClassVar[Access] = Access.GRADIENTS
    minimal: ClassVar[bool] = True

    steps: int = parameter(500, help="steps of the search", low=1, high=100_000)
    step_size: float = parameter(0.1, help="first step of a pixel; falls to a hundredth", low=1e-6, high=1e3)
    ratio: float = parameter(0.01, help="weight of the size against the constraint at first", low=1e-6, high=1e6)
    dual_step: float = parameter(0.1, help="first step of the weight's logarithm; falls to a tenth", low=1e-6, high=1e3)
    damping: float = parameter(
        0.05, help="least weight of an entry in the proximal step, of the largest there", low=0.0, high=1.0
    )

    def passes(self, num_classes: int) -> Passes:
        return Passes(forwards=self.steps, backwards=self.steps)

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        delta = torch.zeros_like(x)
        mean, square = torch.zeros_like(x), torch.zeros_like(x)
        weight = torch.full((len(x),), -math.log(self.ratio), device=x.device)
        share = torch.sigmoid(weight)
        for step in range(self.steps):
            answer = target.gradient(x + delta, y, _softened)
            over = margins(answer.logits, y)
            mean.lerp_(answer.gradient, 1.0 - _MEAN)
            square.mul_(_SQUARE).addcmul_(answer.gradient, answer.gradient, value=1.0 - _SQUARE)
            metric = (square / (1.0 - _SQUARE ** (step + 1))).sqrt_().add_(1e-8)
            length = self.step_size * 0.01 ** (step / self.steps)
            delta = delta + length / (1.0 - _MEAN ** (step + 1)) * mean / metric
            delta = delta.add_(x).clamp_(0.0, 1.0).sub_(x)
            delta = nearer(delta, _damped(metric, self.damping), length * (1.0 - share) / share, threat.norm)
            delta = delta.add_(x).clamp_(0.0, 1.0).sub_(x)
            weight = weight - self._dual(step) * over.sign()
            weight = weight.clamp(-_MOST, _MOST)
            share = torch.lerp(share, torch.sigmoid(weight), _SMOOTH)
        return threat.project(x + delta, x)

    def _dual(self, step: int) -> float:
        return self.dual_step * (1.0 - 0.9 * step / self.steps)


def _softened(logits: Tensor, y: Tensor) -> Tensor:
    return -functional.softplus(-margins(logits, y))


def _damped(metric: Tensor, share: float) -> Tensor:
    """Entries that hardly matter would give up their change at once, before the model is seen to mind."""
    return torch.maximum(metric, per_sample(metric.flatten(1).amax(1) * share, metric))
