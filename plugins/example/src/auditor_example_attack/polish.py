"""Short climbs from the best point that is known: an attack in lanes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor import Access, LaneAttack, Lanes, Norm, Passes, margins, parameter

if TYPE_CHECKING:
    from torch import Tensor

    from auditor import Gradient, Threat, View


@dataclass(kw_only=True)
class Climb(Lanes):
    """What a lane keeps from one question to the next, besides what every lane keeps: a row per lane.

    Attributes:
        length: of the next step, in units of eps, `(L,)`.  last: the margin one step ago, `(L,)`.
    """

    length: Tensor
    last: Tensor


@dataclass(frozen=True, kw_only=True)
class Polish(LaneAttack):
    """Climbs the margin from the best point that is known, with half the step whenever the margin falls.

    Finds: samples that earlier attacks brought near the border and not across it.
    Blind to: examples far from that point, and models whose gradients are masked.
    Cost: per restart `steps` backward and `steps + 1` forward passes.
    """

    name: ClassVar[str] = "polish"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF})
    access: ClassVar[Access] = Access.GRADIENTS

    steps: int = parameter(10, help="steps of each restart", low=1, high=1000)
    restarts: int = parameter(2, help="starts: the best point, then random ones near it", low=1, high=100)

    def passes(self, num_classes: int) -> Passes:
        return Passes(forwards=self.restarts * (self.steps + 1), backwards=self.restarts * self.steps)

    def asks(self, num_classes: int) -> tuple[int, int]:
        return self.restarts, self.steps

    def begin(self, target: View, begun: Lanes, threat: Threat, earlier: Climb | None) -> Climb:
        point = begun.closest
        if earlier is not None:
            # Named by the goal, so that a sample is dealt the same numbers whatever the other lanes are doing.
            noise = begun.rng.at(begun.goal).uniform(*begun.x.shape[1:], low=-threat.eps, high=threat.eps)
            point = point + 0.5 * noise
        begun.point = threat.project(point, begun.x)
        length = torch.full_like(begun.margin, 0.5)
        return Climb.of(begun, length=length, last=torch.full_like(length, -torch.inf))

    def objective(self, lanes: Climb) -> Callable[[Tensor, Tensor], Tensor]:
        return margins

    def advance(self, lanes: Climb, answer: Gradient, threat: Threat) -> None:
        lanes.length = torch.where(answer.loss < lanes.last, 0.5 * lanes.length, lanes.length)
        lanes.last = answer.loss
        step = threat.eps * lanes.length.view(-1, *[1] * (lanes.x.dim() - 1))
        lanes.point = threat.project(lanes.point + step * answer.gradient.sign(), lanes.x)
