"""What attackers choose from: images themselves, or the parameters of a change that makes an image.

An attack moves points. Under a norm ball a point is the image. Under other threats it is what decides the change, such
as an angle and a shift, and the image is rendered from it; budget, projection and referee work on points, and only
the network sees images.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from auditor import norms
from auditor.types import Norm

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.types import Images, Threat


class Space(ABC):
    """A threat's points `(N, …)` for samples `x`, `(N, …)`; `origin` are the points that change nothing."""

    @abstractmethod
    def origin(self, x: Images) -> Tensor:
        """The points that render the samples themselves."""

    @abstractmethod
    def project(self, points: Tensor, origin: Tensor, eps: float) -> Tensor:
        """The points brought within the budget."""

    @abstractmethod
    def distance(self, points: Tensor, origin: Tensor) -> Tensor:
        """Their sizes, `(N,)` float64, in units of the budget."""

    @abstractmethod
    def render(self, points: Tensor, x: Images) -> Images:
        """The images in `[0, 1]` that the points make of `x`; differentiable in the points where that has a meaning."""


@dataclass(frozen=True)
class Ball(Space):
    """A norm ball around the sample, cut with the box: points are images."""

    norm: Norm

    def origin(self, x: Images) -> Tensor:
        return x

    def project(self, points: Tensor, origin: Tensor, eps: float) -> Tensor:
        return norms.project(points, origin, self.norm, eps)

    def distance(self, points: Tensor, origin: Tensor) -> Tensor:
        return norms.distance(points, origin, self.norm)

    def render(self, points: Tensor, x: Images) -> Images:
        return points


@dataclass(frozen=True, eq=False)
class Masked(Ball):
    """A ball of which only the marked pixels, `mask` `(…)` bool like a sample or one channel of it, may change."""

    mask: Tensor

    def render(self, points: Tensor, x: Images) -> Images:
        return torch.where(self.mask.to(x.device), points, x)

    def project(self, points: Tensor, origin: Tensor, eps: float) -> Tensor:
        return norms.project(self.render(points, origin), origin, self.norm, eps)

    def distance(self, points: Tensor, origin: Tensor) -> Tensor:
        return norms.distance(self.render(points, origin), origin, self.norm)


@dataclass(frozen=True)
class Rigid(Space):
    """Rotations and shifts (Engstrom et al., arXiv:1712.02779), bilinear, black where nothing comes from.

    Points are `(N, 3)`: the angle (clockwise) in units of `degrees`, the shifts right and down in units of `pixels`;
    their size is the largest of the three, so that 1 is the whole of the limits.
    """

    degrees: float
    pixels: float

    def origin(self, x: Images) -> Tensor:
        return x.new_zeros(len(x), 3)

    def project(self, points: Tensor, origin: Tensor, eps: float) -> Tensor:
        most = min(eps, 1.0)
        return points.clamp(-most, most)

    def distance(self, points: Tensor, origin: Tensor) -> Tensor:
        return points.double().abs().amax(1)

    def render(self, points: Tensor, x: Images) -> Images:
        angle = points[:, 0] * math.radians(self.degrees)
        height, width = x.shape[-2:]
        cos, sin = angle.cos(), angle.sin()
        # Coordinates run from -1 to 1 over each side, so turning by an angle has to know the sides' proportion.
        right, down = 2.0 * self.pixels * points[:, 1] / width, 2.0 * self.pixels * points[:, 2] / height
        # Where a pixel comes from: shifted back, then turned back.
        top = torch.stack([cos, sin * (height / width), -cos * right - sin * (height / width) * down], 1)
        bottom = torch.stack([-sin * (width / height), cos, sin * (width / height) * right - cos * down], 1)
        grid = functional.affine_grid(torch.stack([top, bottom], 1), list(x.shape), align_corners=False)
        moved = functional.grid_sample(x, grid.to(x.dtype), padding_mode="zeros", align_corners=False)
        return _unmoved(moved.clamp(0.0, 1.0), points, x)


@dataclass(frozen=True)
class Flow(Space):
    """Every pixel comes from a place nearby (Xiao et al., arXiv:1801.02612), bilinear, the border repeated.

    Points are `(N, 2, H, W)`: how far right and down it comes from, in pixels; their size is the longest way of all.
    """

    def origin(self, x: Images) -> Tensor:
        return x.new_zeros(len(x), 2, *x.shape[-2:])

    def project(self, points: Tensor, origin: Tensor, eps: float) -> Tensor:
        length = torch.linalg.vector_norm(points, dim=1, keepdim=True).clamp_min(1e-12)
        return points * torch.clamp(eps / length, max=1.0)

    def distance(self, points: Tensor, origin: Tensor) -> Tensor:
        lengths: Tensor = torch.linalg.vector_norm(points.double(), dim=1)
        return lengths.flatten(1).amax(1)

    def render(self, points: Tensor, x: Images) -> Images:
        height, width = x.shape[-2:]
        down, right = torch.meshgrid(
            torch.arange(height, device=x.device, dtype=x.dtype),
            torch.arange(width, device=x.device, dtype=x.dtype),
            indexing="ij",
        )
        across = (2.0 * (right + points[:, 0]) + 1.0) / width - 1.0
        along = (2.0 * (down + points[:, 1]) + 1.0) / height - 1.0
        grid = torch.stack([across, along], 3)
        moved = functional.grid_sample(x, grid, padding_mode="border", align_corners=False)
        return _unmoved(moved.clamp(0.0, 1.0), points, x)


@dataclass(frozen=True)
class Patch(Space):
    """One rectangle of the picture may show anything; points are images, their size is the rectangle's share of it."""

    def origin(self, x: Images) -> Tensor:
        return x

    def project(self, points: Tensor, origin: Tensor, eps: float) -> Tensor:
        """The square with the largest changes is kept; points that lie within the budget stay as they are."""
        points = points.clamp(0.0, 1.0)
        height, width = origin.shape[-2:]
        side = patch_side(eps, height, width)
        energy = (points - origin).square().sum(1, keepdim=True)
        sums = functional.avg_pool2d(energy, side, stride=1)
        best = sums.flatten(1).argmax(1)
        top, left = best // sums.shape[3], best % sums.shape[3]
        kept = square_at(top, left, side, height, width) | (self.distance(points, origin) <= eps).view(-1, 1, 1, 1)
        return torch.where(kept, points, origin)

    def distance(self, points: Tensor, origin: Tensor) -> Tensor:
        changed = (points != origin).any(1)
        rows, columns = (_extent(changed.any(axis)) for axis in (2, 1))
        return rows.double() * columns.double() / changed[0].numel()

    def render(self, points: Tensor, x: Images) -> Images:
        return points


def patch_side(eps: float, height: int, width: int) -> int:
    """The side of the largest square within a share `eps` of a picture; at least one pixel."""
    return max(1, min(height, width, int(math.sqrt(min(eps, 1.0) * height * width) + 1e-6)))


def square_at(top: Tensor, left: Tensor, side: int, height: int, width: int) -> Tensor:
    """Where squares lie, `(N, 1, H, W)` bool, from their upper left corners, `(N,)` each."""
    down, across = torch.arange(height, device=top.device), torch.arange(width, device=top.device)
    rows = (down >= top[:, None]) & (down < top[:, None] + side)
    columns = (across >= left[:, None]) & (across < left[:, None] + side)
    return (rows[:, :, None] & columns[:, None, :])[:, None]


def _extent(marked: Tensor) -> Tensor:
    """From the first to the last mark, `(N, L)` bool to `(N,)`; 0 where none is."""
    places = torch.arange(1, marked.shape[1] + 1, device=marked.device)
    last = (marked * places).amax(1)
    first = places.numel() + 1 - (marked * places.flip(0)).amax(1)
    return torch.where(marked.any(1), last - first + 1, 0)


def _unmoved(images: Images, points: Tensor, x: Images) -> Images:
    """`images`, but the sample itself, to the last bit, for points that move nothing."""
    still = (points.detach().flatten(1) == 0.0).all(1).view(-1, *([1] * (x.dim() - 1)))
    # Beside a gradient nothing is replaced: it would be cut off there.
    return images if points.requires_grad else torch.where(still, x, images)


def space_of(threat: Threat) -> Space:
    """The space that a threat's points lie in."""
    match threat.norm:
        case Norm.SPATIAL:
            return Rigid(threat.rotation, threat.translation)
        case Norm.FLOW:
            return Flow()
        case Norm.PATCH:
            return Patch()
        case Norm.CORRUPTION:
            from auditor.corruptions.space import Corrupted

            return Corrupted()
    return Ball(threat.norm) if threat.mask is None else Masked(threat.norm, threat.mask)
