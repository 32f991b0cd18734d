"""Augmented Lagrangian adversarial attacks: Rony et al., arXiv:2011.11857."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.attack import Attack, Passes
from auditor.norms import per_sample
from auditor.parameters import parameter
from auditor.types import Access, Norm
from auditor_attacks import _losses
from auditor_attacks._minimal import size
from auditor_attacks._proximal import nearer

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat

# How much of the multiplier, and of the mean gradient, is kept from step to step.
_KEPT, _MEAN = 0.9, 0.5
# The same for squares of gradients: of whole samples in l2, of single entries in l1.
_SQUARE = {Norm.L2: 0.9, Norm.L1: 0.999}
_LOOK_EVERY, _PROGRESS = 10, 0.95
_LEAST, _MOST = 1e-6, 1e12
_DAMPING = 0.1


@dataclass(frozen=True, kw_only=True)
class ALMA(Attack):
    """Minimises size plus a penalty on being classified right, whose weight, a multiplier, follows the penalty's slope.

    The penalty steepens by `growth` where ten steps brought a sample neither across the border nor nearer to it. In l2
    a step is one of RMSProp along the sum's gradient, normed over the sample; in l1, which has no gradient where
    entries are zero, it goes along the penalty's alone, normed per entry, and a proximal step shrinks the change.

    Finds: the smallest l2 examples of hardened models that a single search of some hundred steps does.
    Blind to: masked gradients, and changes far smaller than `step_size`, which it overshoots; in l1 `pdpgd` goes lower.
    Cost: `steps` forward and backward passes.
    Use it when: the smallest l2 change is wanted, or another opinion beside `pdpgd`.
    """

    name: ClassVar[str] = "alma"
    paper: ClassVar[str] = "arXiv:2011.11857"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.L2, Norm.L1})
    access: ClassVar[Access] = Access.GRADIENTS
    minimal: ClassVar[bool] = True

    steps: int = parameter(500, help="steps of the search", low=1, high=100_000)
    step_size: float = parameter(
        1.0, help="first step: its l2 length, or in l1 that of a pixel; falls to a hundredth", low=1e-6, high=1e6
    )
    penalty: float = parameter(1.0, help="how steep the penalty is at first", low=1e-6, high=1e6)
    growth: float = parameter(1.2, help="factor by which it steepens", low=1.0, high=1e3)

    def passes(self, num_classes: int) -> Passes:
        return Passes(forwards=self.steps, backwards=self.steps)

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        norm = threat.norm
        delta, mean, square = torch.zeros_like(x), torch.zeros_like(x), torch.zeros_like(x)
        weight = torch.ones(len(x), device=x.device)
        rho = torch.full_like(weight, self.penalty)
        crossed = torch.zeros_like(weight, dtype=torch.bool)
        before = torch.full_like(weight, torch.inf)
        for step in range(self.steps):
            answer = target.gradient(x + delta, y, _losses.difference_of_logits_ratio)
            short = -answer.loss
            crossed = crossed | (short < 0)
            if (step + 1) % _LOOK_EVERY == 0:
                rho = torch.where(crossed | (short <= _PROGRESS * before), rho, self.growth * rho)
                before, crossed = short, torch.zeros_like(crossed)
            weight = torch.lerp(_slope(short, rho, weight), weight, _KEPT).clamp(_LEAST, _MOST)
            gradient = per_sample(_slope(short, rho, weight), x) * answer.gradient
            if norm is Norm.L2:
                gradient -= delta / per_sample(size(delta, norm).clamp_min(_LEAST), x)
            mean.lerp_(gradient, 1.0 - _MEAN)
            square.lerp_(gradient.square(), 1.0 - _SQUARE[norm])
            metric = _metric(square / (1.0 - _SQUARE[norm] ** (step + 1)), norm)
            length = self.step_size * 0.01 ** (step / self.steps)
            delta = delta + length / (1.0 - _MEAN ** (step + 1)) * mean / metric
            delta = delta.add_(x).clamp_(0.0, 1.0).sub_(x)
            if norm is Norm.L1:
                delta = nearer(delta, metric, torch.full_like(weight, length), norm)
        return threat.project(x + delta, x)


def _slope(short: Tensor, rho: Tensor, weight: Tensor) -> Tensor:
    """Derivative of the penalty at `short`: of a cubic where a sample is short of the border, falling beyond it."""
    within = weight * (1.0 + 2.0 * rho * short) + 0.5 * (rho * short).square()
    return torch.where(short >= 0, within, weight / (1.0 - rho * short.clamp_max(0.0)).square())


def _metric(square: Tensor, norm: Norm) -> Tensor:
    """What steps are divided by: the gradient's usual size, in l2 of the sample, in l1 of each entry.

    In l1 entries that hardly matter would move as far as the others, but for a share of the largest entry's.
    """
    flat = square.flatten(1)
    if norm is Norm.L2:
        return per_sample(flat.sum(1).sqrt().add(1e-8), square)
    return torch.maximum(square.sqrt(), per_sample(flat.amax(1).sqrt() * _DAMPING + 1e-8, square))
