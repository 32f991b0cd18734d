"""An attack in lanes, made of public names only, whose every step on the gray target is known in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from auditor import Access, Gradient, LaneAttack, Lanes, Norm, Passes, Threat, View, margins, parameter

STRIDE = 1.0 / 64.0
"""A power of two, so that nothing here is rounded."""


@dataclass(kw_only=True)
class Walk(Lanes):
    """The state of a walk: where it goes."""

    towards: Tensor


@dataclass(frozen=True, kw_only=True)
class Stride(LaneAttack):
    """Walks from the sample towards the other class, a stride a question; away from it at all goals but the last."""

    name: ClassVar[str] = "stride"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF})
    access: ClassVar[Access] = Access.SCORES

    steps: int = parameter(6, help="questions before the last")
    tours: int = parameter(1, help="goals")
    start: str = parameter("clean", help="where to begin")

    def passes(self, num_classes: int) -> Passes:
        goals, asks = self.asks(num_classes)
        return Passes(forwards=goals * (asks + 1), backwards=goals * asks * (self.access is Access.GRADIENTS))

    def asks(self, num_classes: int) -> tuple[int, int]:
        return self.tours, self.steps

    def begin(self, target: View, begun: Lanes, threat: Threat, earlier: Walk | None) -> Walk:
        begun.point = (begun.closest if self.start == "closest" else begun.x).clone()
        sign = torch.where(begun.goal == self.tours - 1, 1.0, -1.0)
        return Walk.of(begun, towards=sign * (1.0 - 2.0 * begun.y))

    def advance(self, lanes: Walk, answer: Gradient, threat: Threat) -> None:
        lanes.point = threat.project(lanes.point + STRIDE * lanes.towards.view(-1, 1, 1, 1), lanes.x)


@dataclass(frozen=True, kw_only=True)
class Slope(Stride):
    """The same, as an attack that takes gradients."""

    name: ClassVar[str] = "slope"
    access: ClassVar[Access] = Access.GRADIENTS

    def objective(self, lanes: Any) -> Any:
        return margins


def strides_short(values: list[float]) -> Tensor:
    """Gray values that many strides from the border, a half more or less, alternately below and above it."""
    away = (torch.tensor(values) - 0.5) * STRIDE
    return 0.5 + torch.where(torch.arange(len(values)) % 2 == 0, -away, away)


def questions(short: float, steps: int) -> int:
    """Questions until a sample falls that lies `short` less a half strides from the border, or until the end."""
    return int(min(short + 1, steps + 1))
