"""SimBA: Guo, Gardner, You, Wilson & Weinberger, arXiv:1905.07121."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.attack import Passes
from auditor.lanes import LaneAttack, Lanes, put
from auditor.norms import per_sample, project
from auditor.parameters import parameter
from auditor.types import Access, Norm
from auditor_attacks._squares import Canvas

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import Gradient, View
    from auditor.types import Threat

# Of an example's size, within which the next one is looked for where the smallest is wanted.
_SMALLER = 0.95
# Of the radius, beyond which no step goes.
_LONGEST = 0.25


@dataclass(kw_only=True)
class Walk(Lanes):
    """The state of a walk.

    Attributes:
        image, value: the best point in the ball, and its margin.
        radius: `(L,)` of the ball.
        order: `(L, entries)` the directions of the basis as they are tried.
        turn: `(L,)` how many were tried.  ahead: `(L,)` bool, whether the next step goes along its direction or back.
    """

    image: Tensor
    value: Tensor
    radius: Tensor
    order: Tensor
    turn: Tensor
    ahead: Tensor


@dataclass(frozen=True, kw_only=True)
class SimBA(LaneAttack):
    """Steps along one direction of a basis after the other, or back, and keeps the steps that lower the margin.

    The directions are waves, slow ones first, or single entries in random order. After all of them steps are half as
    long. Where the smallest change is looked for, the ball shrinks whenever an example is found.

    Finds: weak models without gradients that slow waves or single entries fool.
    Blind to: what several directions do together and none does alone.
    Cost: `queries` forward passes.
    Use it when: the budget is l2 and the model gives scores only.
    """

    name: ClassVar[str] = "simba"
    paper: ClassVar[str] = "arXiv:1905.07121"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.L2})
    access: ClassVar[Access] = Access.SCORES
    minimal: ClassVar[bool] = True

    queries: int = parameter(5000, help="questions asked per sample", low=1, high=10_000_000)
    basis: str = parameter("dct", help="what the steps go along: waves or single entries", choices=("dct", "pixel"))
    step_size: float = parameter(
        0.5, help="l2 length of the first steps; at most a quarter of eps", low=1e-6, high=1000.0
    )
    slowest: float = parameter(0.05, help="share of the wave numbers tried before faster ones", low=1e-6, high=1.0)

    @property
    def label(self) -> str:
        return f"simba-{self.basis}"

    def passes(self, num_classes: int) -> Passes:
        return Passes(forwards=self.queries)

    def asks(self, num_classes: int) -> tuple[int, int]:
        return 1, self.queries - 1

    def begin(self, target: View, begun: Lanes, threat: Threat, earlier: Walk | None) -> Walk:
        canvas = Canvas.of(begun.x)
        order = begun.rng.fork("order").uniform(canvas.channels, canvas.height, canvas.width)
        if self.basis == "dct":
            down, across = (torch.arange(n, device=order.device) / n for n in (canvas.height, canvas.width))
            order += torch.maximum(down[:, None], across).div_(self.slowest).floor_()
        return Walk.of(
            begun,
            image=begun.x.clone(),
            value=torch.full_like(begun.margin, -torch.inf),
            radius=torch.full_like(begun.margin, threat.eps),
            order=order.flatten(1).argsort(1),
            turn=torch.full_like(begun.step, -1),
            ahead=torch.zeros_like(begun.step, dtype=torch.bool),
        )

    def advance(self, lanes: Walk, answer: Gradient, threat: Threat) -> None:
        margin = answer.margin
        better = margin > lanes.value
        put(lanes.image, better, lanes.point)
        lanes.value = torch.where(better, margin, lanes.value)
        done = better | ~lanes.ahead
        lanes.turn, lanes.ahead = lanes.turn + done, done
        tried, which = lanes.turn // lanes.order.shape[1], lanes.turn % lanes.order.shape[1]
        length = torch.minimum(self.step_size * 0.5**tried, _LONGEST * lanes.radius)
        length = torch.where(lanes.ahead, length, -length)
        if threat.minimal:
            found = margin > 0.0
            smaller = _SMALLER * threat.distance(lanes.point, lanes.x).to(margin.dtype)
            lanes.radius = torch.where(found, smaller, lanes.radius)
            # In the smaller ball the image is asked about before another step is taken.
            lanes.value, length = lanes.value.masked_fill(found, -torch.inf), length.masked_fill(found, 0.0)
        step = self._direction(lanes, lanes.order.gather(1, which[:, None]).squeeze(1))
        point = step.mul_(per_sample(length, step)).add_(lanes.image)
        lanes.point = project(point, lanes.x, Norm.L2, per_sample(lanes.radius, point))

    def _direction(self, lanes: Walk, which: Tensor) -> Tensor:
        """A direction of the basis for every lane, `(L,)` from 0, as long as 1."""
        canvas = Canvas.of(lanes.x)
        pixels = canvas.height * canvas.width
        channel, row, column = which // pixels, which % pixels // canvas.width, which % canvas.width
        in_channel = torch.arange(canvas.channels, device=which.device) == channel[:, None]
        down, across = self._waves(canvas.height, lanes.x)[row], self._waves(canvas.width, lanes.x)[column]
        return (in_channel[:, :, None, None] * (down[:, None, :, None] * across[:, None, None, :])).view_as(lanes.x)

    def _waves(self, size: int, like: Tensor) -> Tensor:
        """An orthonormal basis of the rows with so many pixels, `(size, size)`: cosines, slow ones first, or pixels."""
        if self.basis == "pixel":
            return torch.eye(size, device=like.device)
        at = torch.arange(size, device=like.device)
        waves = torch.cos(math.pi / size * at[:, None] * (at + 0.5)) * math.sqrt(2.0 / size)
        waves[0] /= math.sqrt(2.0)
        return waves
