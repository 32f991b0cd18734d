"""Geometry of the norm balls: size, projection onto ball and box, tolerance of the referee."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from auditor.errors import UsageError
from auditor.types import Norm

if TYPE_CHECKING:
    from torch import Tensor

MEASURED = (Norm.LINF, Norm.L2, Norm.L1, Norm.L0)


def distance(a: Tensor, b: Tensor, norm: Norm) -> Tensor:
    """Size of `a - b` per sample, `(N,)`; computed in float64 so that sums over many pixels keep their digits."""
    delta = (a.double() - b.double()).flatten(1)
    match norm:
        case Norm.LINF:
            return delta.abs().amax(1)
        case Norm.L2:
            return torch.linalg.vector_norm(delta, dim=1)
        case Norm.L1:
            return delta.abs().sum(1)
        case Norm.L0:
            return (delta != 0).sum(1).double()
    raise UsageError(f"The threat {norm!r} has no distance; measured norms are {', '.join(MEASURED)}.")


def tolerance(norm: Norm, eps: float) -> float:
    """How far rounding alone may carry an honest example past `eps`: absolute for linf, relative for sums."""
    return 1e-6 if norm is Norm.LINF else 1e-5 * eps


def project(candidate: Tensor, x: Tensor, norm: Norm, eps: float) -> Tensor:
    """Bring `candidate` into the ball of radius `eps` around `x` and into `[0, 1]`. Shapes `(N, …)`.

    Raises:
        UsageError: for a threat that is no norm ball.
    """
    match norm:
        case Norm.LINF:
            return torch.minimum(torch.maximum(candidate, x - eps), x + eps).clamp(0.0, 1.0)
        case Norm.L2:
            delta = candidate - x
            size = per_sample(delta.flatten(1).norm(dim=1), delta)
            return (x + delta * (eps / size.clamp_min(1e-12)).clamp_max(1.0)).clamp(0.0, 1.0)
        case Norm.L1:
            return x + project_l1_box(candidate - x, -x, 1.0 - x, eps)
    raise UsageError(f"There is no projection for the threat {norm!r}.")


def project_l1_box(delta: Tensor, low: Tensor, high: Tensor, eps: float) -> Tensor:
    """Euclidean projection of `delta` onto `{|z|_1 <= eps} ∩ [low, high]`, with `low <= 0 <= high`.

    Source: Croce & Hein, Mind the box, arXiv:2103.01208: the solution is `clip(soft(delta, t), low, high)` for
    the smallest threshold `t >= 0` that meets the budget. Its size is piecewise linear and falls with `t`, so the
    exact `t` follows from sorting the kinks: a coordinate starts to shrink at `|delta| - room` and ends at `|delta|`.
    """
    shape = delta.shape
    d = delta.flatten(1)
    size = d.abs()
    room = torch.where(d > 0, high.flatten(1), -low.flatten(1))
    start = (size - room).clamp_min(0.0)
    kinks, order = torch.cat([start, size], 1).sort(1)
    n = size.shape[1]
    slope_change = torch.where(order < n, 1.0, -1.0).to(d.dtype)
    slope = slope_change.cumsum(1)
    steps = kinks[:, 1:] - kinks[:, :-1]
    # Sum of the clipped sizes at each kink: what it is at zero, less what every interval took away.
    total = torch.minimum(size, room).sum(1, keepdim=True)
    first = torch.zeros_like(total)
    left = total - torch.cat([first, (slope[:, :-1] * steps).cumsum(1)], 1)
    over = left > eps
    at = over.sum(1, keepdim=True).clamp_min(1) - 1
    kink, excess = kinks.gather(1, at), left.gather(1, at) - eps
    threshold = kink + excess / slope.gather(1, at).clamp_min(1.0)
    threshold = torch.where(total > eps, threshold, torch.zeros_like(threshold))
    moved = torch.minimum((size - threshold).clamp_min(0.0), room) * d.sign()
    return moved.view(shape)


def per_sample(values: Tensor, like: Tensor) -> Tensor:
    """Reshape `(N,)` values so that they multiply the samples of `like`, `(N, …)`."""
    return values.view(-1, *([1] * (like.dim() - 1)))
