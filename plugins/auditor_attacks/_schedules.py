"""How Auto-PGD steps and adapts: step halving for linf and l2 (arXiv:2003.01690), sparsity for l1 (arXiv:2103.01208).

A schedule proposes the next point of every sample, is told what it was worth, and says from time to time which
samples go back to their best point. All decisions are taken per sample, on the device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch

from auditor.norms import per_sample
from auditor.types import Norm
from auditor_attacks._steps import largest, signs, unit_l2

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import Loss, View
    from auditor_attacks._steps import Ball


class Schedule(Protocol):
    """The adaptive part of an ascent."""

    def begin(self, start: Tensor, value: Tensor) -> None:
        """Take note of the starting points and their loss."""

    def propose(self, point: Tensor, gradient: Tensor) -> Tensor:
        """The next points; neither argument is changed."""

    def adapt(self, value: Tensor, best: Tensor, best_value: Tensor) -> Tensor | None:
        """After each step: the samples `(N,)` that go back to their best points; None between checkpoints."""


class Halving:
    """Momentum, and a step size that each sample halves at checkpoints where it stalled."""

    def __init__(self, ball: Ball, steps: int, rho: float) -> None:
        self._ball, self._rho = ball, rho
        self._period, self._since = max(int(0.22 * steps), 1), 0
        self._shortest, self._shorter = max(int(0.06 * steps), 1), max(int(0.03 * steps), 1)

    def begin(self, start: Tensor, value: Tensor) -> None:
        self._before: Tensor | None = None
        self._length = torch.full_like(value, 2.0 * self._ball.eps)
        self._last, self._rises = value, torch.zeros_like(value)
        self._at_check, self._halved = value, torch.ones_like(value, dtype=torch.bool)

    def propose(self, point: Tensor, gradient: Tensor) -> Tensor:
        ball = self._ball
        direction = signs(gradient) if ball.norm is Norm.LINF else unit_l2(gradient)
        ahead = ball.project(direction.mul_(per_sample(self._length, direction)).add_(point))
        if self._before is not None:
            # point + 0.75 (ahead - point) + 0.25 (point - before)
            ahead = ball.project(ahead.mul_(0.75).add_(point, alpha=0.5).sub_(self._before, alpha=0.25))
        self._before = point
        return ahead

    def adapt(self, value: Tensor, best: Tensor, best_value: Tensor) -> Tensor | None:
        self._rises += value > self._last
        self._last = value
        self._since += 1
        if self._since < self._period:
            return None
        rarely = self._rises <= self._rho * self._period
        stuck = ~self._halved & (self._at_check >= best_value)
        self._halved = rarely | stuck
        self._at_check = best_value
        self._length = torch.where(self._halved, 0.5 * self._length, self._length)
        self._rises, self._since = torch.zeros_like(value), 0
        self._period = max(self._period - self._shorter, self._shortest)
        return self._halved


class Sparse:
    """Steps along the largest entries of the gradient only: two thirds as many as the best point has changed."""

    def __init__(self, ball: Ball, steps: int) -> None:
        self._ball, self._period, self._since = ball, max(int(0.04 * steps), 1), 0

    def begin(self, start: Tensor, value: Tensor) -> None:
        self._sparsify(self._count(start))
        self._length = torch.full_like(value, self._ball.eps)

    def propose(self, point: Tensor, gradient: Tensor) -> Tensor:
        direction = largest(gradient, self._entries, self._most)
        return self._ball.project(direction.mul_(per_sample(self._length, direction)).add_(point))

    def adapt(self, value: Tensor, best: Tensor, best_value: Tensor) -> Tensor | None:
        self._since += 1
        if self._since < self._period:
            return None
        changed = self._count(best)
        sparser = changed < 0.95 * self._changed
        eps = self._ball.eps
        self._length = torch.where(sparser, eps, (self._length / 1.5).clamp_min_(0.1 * eps))
        self._sparsify(changed)
        self._since = 0
        return sparser

    def _sparsify(self, changed: Tensor) -> None:
        self._changed = changed
        # Rounded down, where the authors' code rounds up and so never goes from two entries to one.
        self._entries = (changed / 1.5).long().clamp_min_(1)
        self._most = int(self._entries.amax())

    def _count(self, point: Tensor) -> Tensor:
        return (point != self._ball.x).flatten(1).sum(1)


def climb(target: View, y: Tensor, loss: Loss, start: Tensor, schedule: Schedule, steps: int) -> tuple[Tensor, Tensor]:
    """Raise `loss` for `steps` steps from `start`: the best points `(N, …)` and their loss `(N,)`.

    Takes `steps + 1` forward and `steps` backward passes. A sample whose loss turned NaN comes back as NaN.
    """
    value, gradient, _ = target.gradient(start, y, loss)
    schedule.begin(start, value)
    point = best = start
    best_value, best_gradient = value, gradient
    for step in range(1, steps + 1):
        point = schedule.propose(point, gradient)
        if step == steps:
            value = loss(target.logits(point), y)
        else:
            value, gradient, _ = target.gradient(point, y, loss)
        better = value > best_value
        rows = per_sample(better, point)
        best, best_value = torch.where(rows, point, best), torch.where(better, value, best_value)
        if step == steps:
            break
        best_gradient = torch.where(rows, gradient, best_gradient)
        back = schedule.adapt(value, best, best_value)
        if back is not None:
            rows = per_sample(back, point)
            point, gradient = torch.where(rows, best, point), torch.where(rows, best_gradient, gradient)
    lost = value.isnan() | best_value.isnan()
    nan = torch.full_like(value, torch.nan)
    return torch.where(per_sample(lost, best), per_sample(nan, best), best), torch.where(lost, nan, best_value)
