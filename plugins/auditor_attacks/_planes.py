"""Linear geometry in the box: the nearest point at which a linear function has risen by so much, and dual norms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from auditor.norms import per_sample
from auditor.steps import signs
from auditor.types import Norm

if TYPE_CHECKING:
    from torch import Tensor

DUAL = {Norm.LINF: 1.0, Norm.L2: 2.0, Norm.L1: torch.inf}
"""The norm of a gradient that says how fast a function can rise along a change of size 1."""
_SMALLEST = torch.finfo(torch.float32).tiny
# Newton's method climbs a concave, piecewise linear function; a kink or a few are passed at each of these.
_ITERATIONS = 10


def slope(gradient: Tensor, norm: Norm) -> Tensor:
    """How fast a function with this gradient can rise, `(N,)`, positive."""
    rate: Tensor = torch.linalg.vector_norm(gradient.flatten(1), DUAL[norm], dim=1)
    return rate.clamp_min(_SMALLEST)


def onto_plane(point: Tensor, gradient: Tensor, rise: Tensor, norm: Norm) -> Tensor:
    """The point of `[0, 1]` nearest to `point` where a linear function has risen by `rise`, `(N,)`; it may be negative.

    Where the box does not reach so far, its corner with the largest rise. Shapes `(N, …)`. Solves the projections of
    Croce & Hein, arXiv:1907.02044, section 3.1.
    """
    start = point.flatten(1)
    weight = gradient.flatten(1) * rise.sign()[:, None]
    # Slopes at most 1, so that neither squares nor quotients leave float32.
    scale = weight.abs().amax(1, keepdim=True).clamp_min(_SMALLEST)
    weight, need = weight / scale, (rise.abs()[:, None] / scale).clamp_max(1e12)
    room = torch.where(weight > 0, 1.0 - start, start)
    size = weight.abs()
    if norm is Norm.L1:
        moved = _greedy(size, room, need)
    else:
        moved = _filled(size, torch.ones_like(size) if norm is Norm.LINF else size, room, need)
    return (start + moved * weight.sign()).clamp_(0.0, 1.0).view_as(point)


def past_plane(point: Tensor, gradient: Tensor, rise: Tensor, norm: Norm) -> Tensor:
    """The same for linf and l2 as if there were no box, then clipped to it: arXiv:1511.04599, section 3.2."""
    # Slopes at most 1, so that no square leaves float32.
    scale = gradient.flatten(1).abs().amax(1).clamp_min(_SMALLEST)
    weight = gradient / per_sample(scale, gradient)
    length = rise / scale / slope(weight, norm)
    direction = signs(weight) if norm is Norm.LINF else weight / per_sample(slope(weight, norm), weight)
    return (point + direction * per_sample(length, point)).clamp_(0.0, 1.0)


def _greedy(size: Tensor, room: Tensor, need: Tensor) -> Tensor:
    """Entries with the largest slopes move as far as they can, until the rise is reached."""
    order = size.argsort(dim=1, descending=True, stable=True)
    size, room = size.gather(1, order), room.gather(1, order)
    most = size * room
    left = (need - (most.cumsum(1) - most)).clamp_min(0.0)
    moved = torch.minimum(left / size.clamp_min(_SMALLEST), room)
    return torch.zeros_like(moved).scatter_(1, order, moved)


def _filled(size: Tensor, rate: Tensor, room: Tensor, need: Tensor) -> Tensor:
    """All entries move at their rates, each until it meets the wall of the box, until the rise is reached."""
    time = torch.zeros_like(need)
    gain = size * rate
    for _ in range(_ITERATIONS):
        moved = torch.minimum(time * rate, room)
        free = (gain * (time * rate < room)).sum(1, keepdim=True)
        missing = need - (size * moved).sum(1, keepdim=True)
        time = (time + missing.clamp_min(0.0) / free.clamp_min(_SMALLEST)).clamp_max(1e12)
    return torch.minimum(time * rate, room)


def between(a: Tensor, b: Tensor, share: Tensor) -> Tensor:
    """The point `share` `(N,)` of the way from `a` to `b`."""
    return a + (b - a) * per_sample(share, a)
