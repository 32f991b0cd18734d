"""Ascents along gradients that are estimated from scores: what SPSA and NES have in common."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.attack import Passes
from auditor.lanes import LaneAttack, Lanes, put
from auditor.norms import per_sample
from auditor.parameters import parameter
from auditor.steps import Ball
from auditor.types import Access, Norm

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import Gradient, View
    from auditor.rng import Rng
    from auditor.types import Threat


@dataclass(kw_only=True)
class Estimate(Lanes):
    """The state of an ascent.

    Attributes:
        low, high: bounds of the ball (linf).
        image: where the ascent is.
        direction: what is looked along, forwards and then backwards.
        total: the directions of this step so far, times the difference of the margins at their ends.
        mean, square: moving averages of the totals of earlier steps, and of their squares.
    """

    low: Tensor
    high: Tensor
    image: Tensor
    direction: Tensor
    total: Tensor
    mean: Tensor
    square: Tensor


@dataclass(frozen=True, kw_only=True)
class FiniteDifferences(LaneAttack):
    """Looks `delta` ahead and back along random directions, then steps along their sum, weighted by what it saw.

    All points that it looks at lie inside the threat, so each may be the example that is looked for.
    """

    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF, Norm.L2})
    access: ClassVar[Access] = Access.SCORES

    queries: int = parameter(5000, help="questions asked per sample", low=1, high=10_000_000)
    samples: int = parameter(10, help="directions looked along before a step", low=1, high=1_000_000)
    step_size: float = parameter(0.4, help="of the first step, in units of eps; falls to 0", low=1e-6, high=4.0)
    delta: float = parameter(0.1, help="how far to look, in units of eps", low=1e-6, high=1.0)

    def passes(self, num_classes: int) -> Passes:
        return Passes(forwards=self.queries)

    def asks(self, num_classes: int) -> tuple[int, int]:
        return 1, self.queries - 1

    def begin(self, target: View, begun: Lanes, threat: Threat, earlier: Estimate | None) -> Estimate:
        ball = Ball(begun.x, threat.norm, threat.eps)
        direction = self.drawn(begun.rng.at(begun.step), begun.x.shape[1:], threat.norm)
        begun.point = ball.project(direction * (self.delta * threat.eps) + begun.x)
        total, mean, square = torch.zeros(3, *begun.x.shape, device=begun.x.device)
        return Estimate.of(
            begun,
            low=ball.low,
            high=ball.high,
            image=begun.x.clone(),
            direction=direction,
            total=total,
            mean=mean,
            square=square,
        )

    def advance(self, lanes: Estimate, answer: Gradient, threat: Threat) -> None:
        ball = Ball(lanes.x, threat.norm, threat.eps, (lanes.low, lanes.high))
        step, margin = lanes.step + 1, answer.margin
        back = step % 2 == 0
        lanes.total.addcmul_(lanes.direction, per_sample(torch.where(back, -margin, margin), lanes.direction))
        ready = step % (2 * self.samples) == 0
        if _any(ready):
            ahead = self.step(lanes, ready, step // (2 * self.samples), threat)
            length = self.step_size * threat.eps * (1.0 - step / self.queries)
            put(lanes.image, ready, ball.project(ahead.mul_(per_sample(length, ahead)).add_(lanes.image)))
            put(lanes.total, ready, torch.zeros_like(lanes.total))
        if _any(back):
            put(lanes.direction, back, self.drawn(lanes.rng.at(step // 2), lanes.x.shape[1:], threat.norm))
        # Ahead after a look back, and the other way round; last of all the image itself is judged.
        look = torch.where(back, threat.eps, -threat.eps).mul_(self.delta).masked_fill_(step == self.queries - 1, 0.0)
        lanes.point = ball.project(lanes.direction * per_sample(look, lanes.direction) + lanes.image)

    @abstractmethod
    def drawn(self, rng: Rng, shape: tuple[int, ...], norm: Norm) -> Tensor:
        """A random direction for every lane, `(L, *shape)`, of about length 1 in the threat's norm."""

    @abstractmethod
    def step(self, lanes: Estimate, ready: Tensor, number: Tensor, threat: Threat) -> Tensor:
        """What the lanes in `ready`, `(L,)` bool, learn from their totals: a step of length 1 in the threat's norm.

        It is the `number`-th step of each lane, `(L,)`.
        """


def _any(rows: Tensor) -> bool:
    """Whether there are any; on an accelerator, which would have to be waited for, there may be."""
    return rows.device.type != "cpu" or bool(rows.any())
