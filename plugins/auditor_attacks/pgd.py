"""Projected gradient descent: Madry et al., arXiv:1706.06083, with the momentum of Dong et al., arXiv:1710.06081."""

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
from auditor_attacks._steps import Ball, largest, signs, unit_l2

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat


@dataclass(frozen=True, kw_only=True)
class PGD(Attack):
    """Climbs the loss in small steps of fixed length from a random point of the ball, projecting after each.

    Finds: most models without a real defense, and whether a training recipe did anything.
    Blind to: vanishing gradients (try `apgd`), and what a well-chosen step size would have reached.
    Cost: `restarts * steps` backward passes, and as many forward, one more for each restart but the last.
    """

    name: ClassVar[str] = "pgd"
    paper: ClassVar[str] = "arXiv:1706.06083"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF, Norm.L2, Norm.L1})
    access: ClassVar[Access] = Access.GRADIENTS

    steps: int = parameter(40, help="steps of each restart", low=1, high=100_000)
    restarts: int = parameter(1, help="random starting points", low=1, high=10_000)
    step_size: float = parameter(0.0, help="length of a step in units of eps; 0 means 2.5 / steps", low=0.0, high=4.0)
    momentum: float = parameter(0.0, help="share of earlier gradients kept at each step", low=0.0, high=10.0)
    loss: str = parameter("ce", help="what the steps raise", choices=("ce", "margin", "dlr"))

    @property
    def label(self) -> str:
        return f"pgd-{self.loss}"

    def passes(self, num_classes: int) -> Passes:
        each = self.restarts * self.steps
        return Passes(forwards=each + self.restarts - 1, backwards=each)

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        ball, loss = Ball(x, threat.norm, threat.eps), _losses.untargeted(self.loss)
        length = threat.eps * (self.step_size or 2.5 / self.steps)
        candidate = x
        for restart in range(self.restarts):
            # The engine judges the point that is returned; those of the earlier restarts are shown to it here.
            if restart:
                target.logits(candidate)
            candidate = ball.uniform(rng.fork(f"restart {restart}"))
            velocity = torch.zeros_like(x)
            for _ in range(self.steps):
                gradient = target.gradient(candidate, y, loss).gradient
                if self.momentum:
                    velocity.mul_(self.momentum).add_(_unit_mean(gradient))
                    gradient = velocity
                candidate = ball.project(_step(gradient, ball.norm, length).add_(candidate))
        return candidate


def _unit_mean(gradient: Tensor) -> Tensor:
    """Scaled to a mean size of 1, so that steps with large gradients do not drown the others."""
    return gradient / per_sample(gradient.flatten(1).abs().mean(1).clamp_min(1e-30), gradient)


def _step(gradient: Tensor, norm: Norm, length: float) -> Tensor:
    """Steepest ascent of this length; for l1 shared by the top percent, as in SLIDE (arXiv:1904.13000)."""
    match norm:
        case Norm.LINF:
            return signs(gradient).mul_(length)
        case Norm.L2:
            return unit_l2(gradient).mul_(length)
    dimensions = gradient[0].numel()
    # No entry has room for more than 1, so a longer step is shared by more of them.
    entries = min(max(dimensions // 100, math.ceil(length)), dimensions)
    return largest(gradient, torch.full((len(gradient),), entries, device=gradient.device), entries).mul_(length)
