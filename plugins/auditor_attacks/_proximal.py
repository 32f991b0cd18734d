"""Proximal operators of the norms, in a diagonal metric: the trade of a change's size against staying where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from auditor.types import Norm

if TYPE_CHECKING:
    from torch import Tensor

_ITERATIONS = 10
_SMALLEST = torch.finfo(torch.float32).tiny


def nearer(delta: Tensor, metric: Tensor, price: Tensor, norm: Norm) -> Tensor:
    """The `z` with the least `price * |z| + sum(metric * (z - delta)^2) / 2`, `price` being `(N,)`; shapes `(N, …)`.

    Exact for l1, l0 and, up to rounding, linf and l2, where a scalar equation is solved by Newton's method.
    """
    d, h, cost = delta.flatten(1), metric.flatten(1), price[:, None]
    match norm:
        case Norm.L1:
            moved = d.sign() * (d.abs() - cost / h).clamp_min(0.0)
        case Norm.L0:
            moved = torch.where(h * d.square() > 2.0 * cost, d, 0.0)
        case Norm.L2:
            moved = _l2(d, h, cost)
        case _:
            level = _level(d.abs(), h, cost)
            moved = torch.minimum(d.abs(), level) * d.sign()
    return moved.view_as(delta)


def _level(size: Tensor, metric: Tensor, cost: Tensor) -> Tensor:
    """Where to cut sizes off so that what is cut, weighed, is worth `cost`; 0 where all of it is worth less.

    From below, Newton's method climbs to the root of this convex, falling, piecewise linear function.
    """
    level = torch.zeros_like(cost)
    for _ in range(_ITERATIONS):
        above = (size - level).clamp_min(0.0)
        worth = (metric * above).sum(1, keepdim=True)
        rate = (metric * (above > 0)).sum(1, keepdim=True).clamp_min(_SMALLEST)
        level = level + (worth - cost).clamp_min(0.0) / rate
    return level


def _l2(delta: Tensor, metric: Tensor, cost: Tensor) -> Tensor:
    """The change `metric * delta * t / (metric * t + cost)`, whose length `t` Newton's method finds.

    At that length `|metric * delta / (metric * t + cost)|` is 1. Its reciprocal is nearly linear, hence solved for 1.
    """
    pull, cost = metric * delta, cost.clamp_min(_SMALLEST)
    # No root is smaller, whatever the metric, and from below no step goes beyond it.
    length: Tensor = (pull.norm(dim=1, keepdim=True) - cost).clamp_min(0.0) / metric.amax(1, keepdim=True)
    for _ in range(_ITERATIONS):
        damped = metric * length + cost
        size = (pull / damped).norm(dim=1, keepdim=True)
        rate = (metric * pull.square() / damped**3).sum(1, keepdim=True).clamp_min(_SMALLEST)
        length = (length + size.square() * (size - 1.0) / rate).clamp_min(0.0)
    moved: Tensor = pull * length / (metric * length + cost)
    return moved
