"""Geometry of the norm balls: size, projection onto ball and box, tolerance of the referee."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from auditor.errors import UsageError
from auditor.types import Norm

if TYPE_CHECKING:
    from torch import Tensor

MEASURED = (Norm.LINF, Norm.L2, Norm.L1, Norm.L0)
ROUGH = 1e-4
"""Share by which sums of float32 over the entries of a sample may be off, generously."""


def distance(a: Tensor, b: Tensor, norm: Norm) -> Tensor:
    """Size of `a - b` per sample, `(N,)`; computed in float64 so that sums over many pixels keep their digits."""
    delta = (a.double() - b.double()).flatten(1)
    match norm:
        case Norm.LINF:
            return delta.abs().amax(1)
        case Norm.L2:
            size: Tensor = torch.linalg.vector_norm(delta, dim=1)
            return size
        case Norm.L1:
            return delta.abs().sum(1)
        case Norm.L0:
            return (delta != 0).sum(1).double()
    raise UsageError(f"The threat {norm!r} has no distance; measured norms are {', '.join(MEASURED)}.")


def roughly(a: Tensor, b: Tensor, norm: Norm) -> Tensor:
    """As `distance`, in float32 and at a third of its price: no further from it than the share `ROUGH`."""
    delta = (a - b).flatten(1)
    if norm is Norm.L2:
        # Sums are made of partial sums, which keeps their digits; norms are not.
        return delta.square_().sum(1).sqrt_()
    if norm is Norm.L0:
        return (delta != 0.0).sum(1)
    return delta.abs_().amax(1) if norm is Norm.LINF else delta.abs_().sum(1)


def tolerance(norm: Norm, eps: float) -> float:
    """How far rounding alone may carry an honest example past `eps`: absolute for linf, relative for sums.

    Counting rounds nothing.
    """
    match norm:
        case Norm.LINF:
            return 1e-6
        case Norm.L0 | Norm.CORRUPTION:
            return 0.0
    return 1e-5 * eps


def project(candidate: Tensor, x: Tensor, norm: Norm, eps: float | Tensor) -> Tensor:
    """Bring `candidate` into the ball of radius `eps` (l1, l0: or one each, `(N, 1)`) around `x` and into `[0, 1]`.

    Shapes `(N, …)`. In l0 the radius counts entries: a pixel of which two channels change counts twice.

    Raises:
        UsageError: for a threat that is no norm ball.
    """
    match norm:
        case Norm.LINF:
            return candidate.clamp((x - eps).clamp_min_(0.0), (x + eps).clamp_max_(1.0))
        case Norm.L2:
            delta = candidate - x
            size = per_sample(delta.flatten(1).norm(dim=1), delta)
            return (x + delta * (eps / size.clamp_min(1e-12)).clamp_max(1.0)).clamp(0.0, 1.0)
        case Norm.L1:
            return x + project_l1_box(candidate - x, -x, 1.0 - x, eps)
        case Norm.L0:
            return _project_l0(candidate, x, eps)
    raise UsageError(f"There is no projection for the threat {norm!r}.")


def _project_l0(candidate: Tensor, x: Tensor, eps: float | Tensor) -> Tensor:
    """The `eps` changes that save most are kept, cut to `[0, 1]`; all others are undone to the last bit.

    Exact: to keep a change `d`, of which `c` is left after clipping, saves `d^2 - (d - c)^2` of the squared distance to
    the candidate, whatever becomes of the others.
    """
    clipped = candidate.clamp(0.0, 1.0)
    change, kept = (candidate - x).flatten(1), (clipped - x).flatten(1)
    saved = kept * (2.0 * change - kept)
    entries = saved.shape[1] if isinstance(eps, torch.Tensor) else int(min(eps, saved.shape[1]))
    order = saved.topk(entries, 1).indices
    keep = (torch.arange(1, entries + 1, device=x.device) <= eps).expand_as(order)
    where = torch.zeros_like(change, dtype=torch.bool).scatter_(1, order, keep).view_as(x)
    return torch.where(where | candidate.isnan(), clipped, x)


def project_l1_box(delta: Tensor, low: Tensor, high: Tensor, eps: float | Tensor) -> Tensor:
    """Euclidean projection of `delta` onto `{|z|_1 <= eps} ∩ [low, high]`, with `low <= 0 <= high`.

    Source: Croce & Hein, Mind the box, arXiv:2103.01208: the solution is `clip(soft(delta, t), low, high)` for
    the smallest threshold `t >= 0` that meets the budget. Its size is piecewise linear and falls with `t`, so the
    exact `t` follows from sorting the kinks: a coordinate starts to shrink at `|delta| - room` and ends at `|delta|`.
    """
    d = delta.flatten(1)
    size = d.abs()
    room = torch.where(d > 0, high.flatten(1), -low.flatten(1))
    clipped = torch.minimum(size, room)
    over = clipped.sum(1, keepdim=True) > eps
    # Zeros stay zero and samples within the budget stay as they are: sparse changes, the rule for l1, cost little.
    entries = int((over * (size > 0)).sum(1).amax())
    if entries:
        kink, below = _l1_threshold(size, room, eps, entries)
        # In this order nothing is rounded at the scale of the whole change, which may be many times the budget.
        shrunk = (size - torch.where(over, kink, 0.0)).add_(torch.where(over, below, 0.0))
        clipped = torch.minimum(shrunk.clamp_min_(0.0), room)
    return clipped.mul_(d.sign()).view(delta.shape)


def _l1_threshold(size: Tensor, room: Tensor, eps: float | Tensor, entries: int) -> tuple[Tensor, Tensor]:
    """By how much to shrink `(N, D)` sizes: a kink, and how far below it, `(N, 1)` each.

    No sample over the budget may have more than `entries` non-zeros.
    """
    size, order = size.topk(entries, 1)
    start = (size - room.gather(1, order)).clamp_min_(0.0)
    kinks, order = torch.cat([size, start], 1).sort(1, descending=True)
    # From the largest kink down, so that what is added up never exceeds the budget.
    slope = torch.where(order < entries, 1.0, -1.0).to(size.dtype).cumsum(1)
    spent = (slope[:, :-1] * (kinks[:, :-1] - kinks[:, 1:])).cumsum(1)
    spent = torch.cat([torch.zeros_like(spent[:, :1]), spent], 1)
    at = (spent <= eps).sum(1, keepdim=True).clamp_min_(1) - 1
    kink, unspent = kinks.gather(1, at), eps - spent.gather(1, at)
    return kink, torch.minimum(unspent / slope.gather(1, at).clamp_min_(1.0), kink)


def per_sample(values: Tensor, like: Tensor) -> Tensor:
    """Reshape `(N,)` values so that they multiply the samples of `like`, `(N, …)`."""
    return values.view(-1, *([1] * (like.dim() - 1)))
