"""Projected gradient descent: Madry et al., arXiv:1706.06083, with the momentum of Dong et al., arXiv:1710.06081."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.attack import Passes
from auditor.lanes import LaneAttack, Lanes
from auditor.parameters import parameter
from auditor.steps import Ball, unit_mean
from auditor.types import Access, Norm
from auditor_attacks import _losses

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import Gradient, Loss, View
    from auditor.types import Threat


@dataclass(kw_only=True)
class Slide(Lanes):
    """The state of a descent: bounds of the ball (linf), and the momentum where there is any."""

    low: Tensor
    high: Tensor
    velocity: Tensor


@dataclass(frozen=True, kw_only=True)
class PGD(LaneAttack):
    """Climbs the loss in small steps of fixed length from a random point of the ball, projecting after each.

    Finds: most models without a real defense, and whether a training recipe did anything.
    Blind to: vanishing gradients (try `apgd`), and what a well-chosen step size would have reached.
    Cost: per restart `steps` backward and `steps + 1` forward passes.
    Use it when: figures are to be compared with papers that report it.
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
        return Passes(forwards=each + self.restarts, backwards=each)

    def asks(self, num_classes: int) -> tuple[int, int]:
        return self.restarts, self.steps

    def begin(self, target: View, begun: Lanes, threat: Threat, earlier: Slide | None) -> Slide:
        ball = Ball(begun.x, threat.norm, threat.eps)
        begun.point = ball.uniform(begun.rng.at(begun.goal))
        velocity = torch.zeros_like(begun.point) if self.momentum else begun.point.new_empty(len(begun.y), 0)
        return Slide.of(begun, low=ball.low, high=ball.high, velocity=velocity)

    def objective(self, lanes: Slide) -> Loss:
        return _losses.untargeted(self.loss)

    def advance(self, lanes: Slide, answer: Gradient, threat: Threat) -> None:
        ball = Ball(lanes.x, threat.norm, threat.eps, (lanes.low, lanes.high))
        gradient = answer.gradient
        if self.momentum:
            gradient = lanes.velocity.mul_(self.momentum).add_(unit_mean(gradient)).clone()
        length = threat.eps * (self.step_size or 2.5 / self.steps)
        lanes.point = ball.climb(lanes.point, gradient, length)
