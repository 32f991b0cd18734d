"""Steps that attacks and training share: the ball with its bounds made once, random starts, directions of steepest
ascent."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from auditor.norms import per_sample, project
from auditor.types import Norm

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.rng import Rng

_SMALLEST = torch.finfo(torch.float32).tiny
_LARGEST = torch.finfo(torch.float32).max
_FINE = 2.0**125  # near the largest float: entries below its inverse are as good as none


class Ball:
    """All points within `eps` of `x`, `(N, …)`, that lie in the box `[0, 1]`."""

    def __init__(
        self,
        x: Tensor,
        norm: Norm,
        eps: float,
        bounds: tuple[Tensor, Tensor] | None = None,
        radii: Tensor | None = None,
    ) -> None:
        """`bounds` are `low` and `high` of an earlier ball of the same samples, `radii` an `eps` each in l1, `(N,)`."""
        self.x, self.norm, self.eps = x, norm, eps
        self._each = eps if radii is None else radii[:, None]
        if bounds is None and norm is Norm.LINF:
            bounds = (x - eps).clamp_(0.0, 1.0), (x + eps).clamp_(0.0, 1.0)
        self.low, self.high = bounds or (x.new_empty(len(x), 0), x.new_empty(len(x), 0))

    def project(self, candidate: Tensor) -> Tensor:
        """The nearest point of the ball (for l2 the scaled and clipped one). Overwrites `candidate` where it can."""
        if self.norm is Norm.LINF:
            return candidate.clamp_(self.low, self.high)
        return project(candidate, self.x, self.norm, self._each)

    def climb(self, point: Tensor, gradient: Tensor, length: float) -> Tensor:
        """`point` moved by a step of steepest ascent, projected. Overwrites `gradient`; `length` is below 4 in linf."""
        if self.norm is Norm.LINF:
            return self.project(along_signs(point, gradient, length))
        return self.project(ascent(gradient, self.norm, length).add_(point))

    def uniform(self, rng: Rng) -> Tensor:
        """A point drawn uniformly from the norm ball, then clipped to the box."""
        shape = self.x.shape[1:]
        match self.norm:
            case Norm.LINF:
                delta = rng.uniform(*shape, low=-self.eps, high=self.eps)
            case Norm.L2:
                delta = unit_l2(rng.normal(*shape)) * self._radii(rng)
            case _:
                # Exponential sizes with random signs, scaled to length 1, are uniform on the l1 sphere.
                sizes = -torch.log1p(-rng.uniform(*shape))
                sizes *= rng.signs(*shape)
                delta = sizes / per_sample(sizes.flatten(1).abs().sum(1), sizes) * self._radii(rng)
        return self.project(delta.add_(self.x))

    def gaussian(self, rng: Rng) -> Tensor:
        """Gaussian noise: of standard deviation `eps` and clipped for linf, as long as `eps` for l2 and l1."""
        delta = rng.normal(*self.x.shape[1:])
        if self.norm is Norm.L2:
            delta = unit_l2(delta)
        if self.norm is Norm.L1:
            delta = delta / per_sample(delta.flatten(1).abs().sum(1), delta)
        return self.project(delta.mul_(self.eps).add_(self.x))

    def surface(self, rng: Rng) -> Tensor:
        """Auto-PGD's random start, as far from `x` as the ball allows."""
        shape = self.x.shape[1:]
        match self.norm:
            case Norm.LINF:
                delta = rng.uniform(*shape, low=-1.0, high=1.0)
                delta /= per_sample(delta.flatten(1).abs().amax(1), delta)
            case Norm.L2:
                delta = unit_l2(rng.normal(*shape))
            case _:
                return self.project(rng.normal(*shape).add_(self.x))
        return self.project(delta.mul_(self.eps).add_(self.x))

    def towards(self, direction: Tensor) -> Tensor:
        """As far from `x` as the ball allows along a direction of plus and minus ones. Overwrites `direction`."""
        length = self.eps if self.norm is Norm.LINF else self.eps / math.sqrt(direction[0].numel())
        return self.project(direction.mul_(length).add_(self.x))

    def _radii(self, rng: Rng) -> Tensor:
        """Lengths of points spread evenly over the volume of a ball, shaped to multiply samples."""
        dimensions = self.x[0].numel()
        return per_sample(rng.uniform().pow(1.0 / dimensions) * self.eps, self.x)


def signs(gradient: Tensor) -> Tensor:
    """-1, 0 or 1. NaN stays NaN, where `Tensor.sign` makes it 0: a sample without a gradient is not robust."""
    return gradient.mul(_LARGEST).clamp_(-1.0, 1.0)


def unit_l2(gradient: Tensor) -> Tensor:
    """Each sample scaled to length 1, however small it is; zero stays zero."""
    flat = gradient.flatten(1)
    # Dividing by the largest entry first keeps tiny gradients from vanishing when they are squared.
    flat = flat / flat.abs().amax(1, keepdim=True).clamp_min(_SMALLEST)
    flat /= torch.linalg.vector_norm(flat, dim=1, keepdim=True).clamp_min(_SMALLEST)
    return flat.view_as(gradient)


def unit_mean(gradient: Tensor) -> Tensor:
    """Scaled to a mean size of 1, so that steps with large gradients do not drown the others."""
    return gradient / per_sample(gradient.flatten(1).abs().mean(1).clamp_min(1e-30), gradient)


def largest(gradient: Tensor, count: Tensor, most: int) -> Tensor:
    """Signs of the `count` largest entries per sample, `(N,)` in `[1, most]`, at l1 length 1; ties go in together."""
    flat = gradient.flatten(1)
    size = flat.abs()
    least = size.topk(most, 1).values.gather(1, count[:, None] - 1)
    step = signs(flat).mul_(size >= least)
    step /= step.abs().sum(1, keepdim=True).clamp_min_(1.0)
    return step.view_as(gradient)


def ascent(gradient: Tensor, norm: Norm, length: float) -> Tensor:
    """Steepest ascent of this length; for l1 shared by the top percent, as in SLIDE (arXiv:1904.13000)."""
    match norm:
        case Norm.LINF:
            return signs(gradient).mul_(length)
        case Norm.L2:
            return unit_l2(gradient).mul_(length)
    dimensions = gradient[0].numel()
    # No entry has room for more than 1, so a longer step is shared by more of them.
    entries = min(max(dimensions // 100, math.ceil(length)), dimensions)
    return largest(gradient, torch.full((len(gradient),), entries, device=gradient.device), entries).mul_(length)


def along_signs(point: Tensor, gradient: Tensor, length: float | Tensor) -> Tensor:
    """`point`, `(N, …)`, moved along the signs of the gradient (NaN stays) by `length`, below 4, or one each, `(N,)`.
    Overwrites `gradient`."""
    # Cut off where any entry worth its sign is, and drawn out to the length: exact, and two looks at the pixels.
    cut = gradient.clamp_(-1.0 / _FINE, 1.0 / _FINE)
    if isinstance(length, float):
        return torch.add(point, cut, alpha=length * _FINE, out=cut)
    return torch.addcmul(point, cut, per_sample(length * _FINE, cut), out=cut)


def steepest(gradient: Tensor, ball: Ball) -> Tensor:
    """The point of the ball that raises the linear function with this gradient most (for l2 up to clipping)."""
    match ball.norm:
        case Norm.LINF:
            return ball.project(signs(gradient).mul_(ball.eps).add_(ball.x))
        case Norm.L2:
            return ball.project(unit_l2(gradient).mul_(ball.eps).add_(ball.x))
    # l1: spend the budget on the largest entries, each as far as the box lets it go.
    flat, x = gradient.flatten(1), ball.x.flatten(1)
    room = torch.where(flat > 0, 1.0 - x, x)
    order = flat.abs().argsort(1, descending=True)
    sorted_room = room.gather(1, order)
    spent = sorted_room.cumsum(1) - sorted_room
    spend = torch.minimum((ball.eps - spent).clamp_min_(0.0), sorted_room)
    delta = torch.zeros_like(flat).scatter_(1, order, spend).mul_(signs(flat))
    return (x + delta).view_as(gradient)
