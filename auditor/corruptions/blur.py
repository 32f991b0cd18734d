"""Blur: defocus, glass, motion and zoom of arXiv:1903.12261, and Gaussian."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import torch

from auditor.corruptions.base import corruption
from auditor.corruptions.filters import EDGE, WHOLE, canvas, correlate, enlarged, gaussian

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.rng import Rng
    from auditor.types import Images

# At each pixel a chain goes on with a chance below one half, so none is longer than 2^6.
_DOUBLINGS = 6


@corruption("blur", cifar=(0.4, 0.6, 0.7, 0.8, 1.0), imagenet=(1, 2, 3, 4, 6), lengths=(0,))
def gaussian_blur(x: Images, rng: Rng, sigma: float) -> Images:
    """A low-pass filter, as of a poor lens."""
    return gaussian(x, sigma)


@corruption(
    "blur",
    cifar=((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
    imagenet=((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    lengths=(0,),
)
def defocus_blur(x: Images, rng: Rng, radius: float, softness: float) -> Images:
    """An image out of focus: every point becomes a disk."""
    disk = _disk(radius, softness).to(x.device)
    reach = len(disk) // 2
    height, width = canvas(x, (reach,) * 4)
    kernel = torch.zeros(1, 1, height, width, device=x.device)
    kernel[..., : len(disk), : len(disk)] = disk
    return correlate(x, kernel.roll((-reach, -reach), (2, 3)), (reach,) * 4, WHOLE)


@lru_cache(maxsize=64)
def _disk(radius: float, softness: float) -> Tensor:
    """Weights of a disk whose edge is softened by a small Gaussian, with nothing but zeros cut off."""
    half = 8 if radius <= 8 else math.ceil(radius)
    line = torch.arange(-half, half + 1, dtype=torch.float64)
    disk = (line[:, None] ** 2 + line**2 <= radius**2).double()
    taps = 1 if radius <= 8 else 2
    # The same few taps as a fixed-size filter has, not as many as its deviation would ask for.
    disk = gaussian((disk / disk.sum()).float(), softness, WHOLE, truncate=(taps + 0.1) / softness)
    kept = min(math.floor(radius) + taps, half)
    return disk[half - kept : half + kept + 1, half - kept : half + kept + 1].contiguous()


@corruption(
    "blur",
    cifar=((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
    imagenet=((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    lengths=(0, 1),
)
def motion_blur(x: Images, rng: Rng, radius: float, sigma: float) -> Images:
    """A camera that moves while it looks, to a direction within 45 degrees of the horizontal."""
    return streaked(x, rng, radius, sigma, (-45.0, 45.0))


def streaked(x: Images, rng: Rng, radius: float, sigma: float, angles: tuple[float, float]) -> Images:
    """Every image smeared to one side along a direction of its own, drawn between `angles` in degrees.

    The weights fall like a Gaussian from the pixel itself on, as ImageMagick's do, in whose terms the paper speaks.
    """
    width = 2 * math.ceil(radius) + 1
    taps = torch.arange(width, device=x.device)
    weights = torch.exp(-0.5 * (taps / sigma) ** 2)
    angle = torch.deg2rad(rng.uniform(1, low=angles[0], high=angles[1]))
    down, across = (torch.ceil(taps * part - 0.5).long() for part in (angle.sin(), angle.cos()))
    reach = _reach(width, angles)
    height, length = canvas(x, reach)
    kernel = torch.zeros(len(x), height * length, device=x.device)
    at = down.remainder(height) * length + across.remainder(length)
    kernel.scatter_add_(1, at, (weights / weights.sum()).expand(len(x), -1))
    return correlate(x, kernel.view(len(x), 1, height, length), reach, EDGE)


def _reach(width: int, angles: tuple[float, float]) -> tuple[int, int, int, int]:
    """How far streaks of so many taps look up, down, left and right."""
    turns = [math.radians(angles[0] + (angles[1] - angles[0]) * i / 180) for i in range(181)]
    down, across = [math.sin(t) for t in turns], [math.cos(t) for t in turns]
    far = [max(0.0, value) * (width - 1) for value in (-min(down), max(down), -min(across), max(across))]
    top, bottom, left, right = (math.ceil(value) for value in far)
    return top, bottom, left, right


@corruption(
    "blur",
    cifar=((1.06, 0.01), (1.11, 0.01), (1.15, 0.01), (1.20, 0.01), (1.25, 0.01)),
    imagenet=((1.11, 0.01), (1.15, 0.01), (1.20, 0.02), (1.24, 0.02), (1.30, 0.03)),
)
def zoom_blur(x: Images, rng: Rng, largest: float, step: float) -> Images:
    """A camera that moves towards what it looks at: enlargements up to the largest, on top of each other."""
    count = round((largest - 1.0) / step)
    total = x * 2.0
    for i in range(1, count + 1):
        total += enlarged(x, 1.0 + i * step)
    return total.div_(count + 2)


@corruption(
    "blur",
    cifar=((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
    imagenet=((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
    lengths=(0, 1),
)
def glass_blur(x: Images, rng: Rng, sigma: float, delta: float, rounds: float) -> Images:
    """Frosted glass: pixels take the place of others nearby, between two slight blurs."""
    height, width = x.shape[2:]
    place = torch.arange(height * width, device=x.device).expand(len(x), -1)
    for _ in range(round(rounds)):
        place = place.gather(1, _scattered(rng, height, width, max(1, round(delta)), x.device))
    blurred = gaussian(x, sigma).flatten(2)
    scattered = blurred.gather(2, place[:, None].expand(-1, x.shape[1], -1)).view(x.shape)
    return gaussian(scattered, sigma)


def _scattered(rng: Rng, height: int, width: int, delta: int, device: torch.device) -> Tensor:
    """Which pixel every pixel shows after one round, `(N, H * W)`.

    The paper's program goes through the pixels from the lower right to the upper left and lets each show what one
    nearby shows at that moment (it means to swap them, but its arrays share memory, and so made its data). Who looks
    at a pixel that had its turn shows what that one shows, and so on: chains, followed here for all pixels at once,
    twice as far at each step.
    """
    rows = torch.arange(height, device=device)[:, None]
    columns = torch.arange(width, device=device)
    moved = rng.sixteen(2, height, width).bitwise_right_shift_(4).remainder_(2 * delta).sub_(delta)
    inner = ((rows > delta) & (rows <= height - delta) & (columns > delta) & (columns <= width - delta)).int()
    here = rows * width + columns
    moved *= inner
    looks = (here + moved[:, 0] * width + moved[:, 1]).flatten(1)
    here = here.flatten()
    # Only pixels further down or right, and inner themselves, had their turn; elsewhere a chain ends.
    seen = inner.flatten().bool()[looks] & (looks > here)
    size = height * width
    # Every pixel as two nodes: what it shows after its turn (0 … size-1), and what it held before (size … 2 size-1).
    after = torch.where(seen, looks, looks + size)
    chain = torch.cat([after, (here + size).expand(len(after), -1)], 1)
    for _ in range(_DOUBLINGS):
        chain = chain.gather(1, chain)
    return chain[:, :size] - size
