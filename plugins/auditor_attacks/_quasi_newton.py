"""L-BFGS (Liu & Nocedal 1989, doi:10.1007/BF01589116) for many small problems side by side, in the box `[0, 1]`.

Entries at an end of their range that the descent would push out are left out of the curvature and of the step
(Bertsekas 1982, doi:10.1137/0320018). A trial is either accepted, and teaches curvature, or its step is halved: every
question to the model is one trial of every sample, whatever the samples are about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from auditor.norms import per_sample

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.types import Images

_ENOUGH, _TINY = 1e-4, 1e-20


class BoxLBFGS:
    """Minimises one function per sample; ask the function at `trial`, then `learn` its value and gradient there."""

    def __init__(self, start: Images, memory: int) -> None:
        self.trial = self.point = start.clone()
        self._value = start.new_full((len(start),), torch.inf)
        self._gradient, self._direction = torch.zeros_like(start), torch.zeros_like(start)
        self._length = torch.ones_like(self._value)
        self._moves = start.new_zeros(memory, *start.shape)
        self._turns = start.new_zeros(memory, *start.shape)

    def learn(self, value: Tensor, gradient: Tensor) -> None:
        """The values `(N,)` and gradients `(N, …)` at the trial; sets the next one."""
        move = self.trial - self.point
        accepted = value <= self._value + _ENOUGH * _dot(self._gradient, move)
        first = ~self._value.isfinite()
        self._remember(accepted & ~first, move, gradient - self._gradient)
        where = per_sample(accepted, gradient)
        self.point = torch.where(where, self.trial, self.point)
        self._gradient = torch.where(where, gradient, self._gradient)
        self._value = torch.where(accepted, value, self._value)
        self._direction = torch.where(where, self._downhill(), self._direction)
        self._length = torch.where(accepted, 1.0, 0.5 * self._length)
        self.trial = (self.point + per_sample(self._length, gradient) * self._direction).clamp_(0.0, 1.0)

    def _remember(self, rows: Tensor, move: Tensor, turn: Tensor) -> None:
        """Keep a move and how it turned the gradient, where the function curves upwards along it."""
        keep = per_sample(rows & (_dot(move, turn) > _TINY), move)
        self._moves = torch.where(keep, torch.cat([self._moves[1:], move[None]]), self._moves)
        self._turns = torch.where(keep, torch.cat([self._turns[1:], turn[None]]), self._turns)

    def _downhill(self) -> Tensor:
        """The quasi-Newton direction, by the recursion over two loops, over entries that may move."""
        stuck = ((self.point <= 0.0) & (self._gradient > 0.0)) | ((self.point >= 1.0) & (self._gradient < 0.0))
        slope = self._gradient.masked_fill(stuck, 0.0)
        moves, turns = self._moves.masked_fill(stuck, 0.0), self._turns.masked_fill(stuck, 0.0)
        curves = [_dot(move, turn) for move, turn in zip(moves, turns, strict=True)]
        shares = [torch.where(curve > _TINY, 1.0 / curve.clamp_min(_TINY), 0.0) for curve in curves]
        result, weights = slope.clone(), []
        for i in reversed(range(len(moves))):
            weights.append(shares[i] * _dot(moves[i], result))
            result -= per_sample(weights[-1], result) * turns[i]
        scale = curves[-1] / _dot(turns[-1], turns[-1]).clamp_min(_TINY)
        size = _dot(slope, slope).sqrt()
        # Without curvature the first step is as long as a tenth of a pixel's range.
        result *= per_sample(torch.where(shares[-1] > 0.0, scale, 0.1 / size.clamp_min(_TINY)), result)
        for i in range(len(moves)):
            result += per_sample(weights[-1 - i] - shares[i] * _dot(turns[i], result), result) * moves[i]
        downhill = per_sample(_dot(result, slope) > 0.0, result)
        return -torch.where(downhill, result, slope).masked_fill(stuck, 0.0)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).flatten(1).sum(1)
