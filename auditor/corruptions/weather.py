"""Weather: snow, frost and fog of arXiv:1903.12261. Frost is grown here; the paper pastes photographs of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from auditor.corruptions.base import corruption
from auditor.corruptions.blur import streaked
from auditor.corruptions.draws import normals, uniforms
from auditor.corruptions.filters import enlarged, gray

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.rng import Rng
    from auditor.types import Images


@corruption(
    "weather",
    cifar=(
        (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
        (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    ),
    imagenet=(
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    ),
    lengths=(4, 5),
)
def snow(
    x: Images,
    rng: Rng,
    mean: float,
    deviation: float,
    zoom: float,
    threshold: float,
    radius: float,
    sigma: float,
    kept: float,
) -> Images:
    """Falling snow: streaks of flakes in front of a paler image."""
    flakes = normals(rng, 1, *x.shape[2:]).mul_(deviation).add_(mean)
    flakes = functional.threshold(enlarged(flakes, zoom), threshold, 0.0).clamp_max_(1.0)
    flakes = streaked(flakes, rng, radius, sigma, (-135.0, -45.0)).mul(255.0).round_().div_(255.0)
    pale = torch.maximum(x, gray(x) * 1.5 + 0.5)
    return torch.lerp(pale, x, kept) + (flakes + flakes.flip(2, 3))


@corruption(
    "weather",
    cifar=((1, 0.2, 5), (1, 0.3, 5), (0.9, 0.4, 5), (0.85, 0.4, 5), (0.75, 0.45, 5)),
    imagenet=((1, 0.4, 1), (0.8, 0.6, 1), (0.7, 0.7, 1), (0.65, 0.7, 1), (0.6, 0.75, 1)),
)
def frost(x: Images, rng: Rng, kept: float, strength: float, finer: float) -> Images:
    """Ice on the lens: needles on a pale ground, grown from noise instead of taken from the paper's photographs."""
    return kept * x + strength * _ice(rng, x, finer)


def _ice(rng: Rng, x: Images, finer: float) -> Tensor:
    """Ice, `(N, C, H, W)` in `[0, 1]`, in whose pixels a needle is so many times finer than at 224 pixels.

    Ridges of smooth noise at five scales, stretched along a direction of each image's own. The brightness is that of
    the photographs that the paper's program draws; relief and scale are chosen so that networks err as often as behind
    those, see benchmarks/attacks/corruptions.py.
    """
    height, width = x.shape[2:]
    angle = uniforms(rng, 1, 1).mul_(torch.pi)
    rows = torch.arange(height, device=x.device).view(1, -1, 1) * (finer / _NEEDLE)
    columns = torch.arange(width, device=x.device).view(1, 1, -1) * (finer / _NEEDLE)
    along = rows * angle.sin() + columns * angle.cos()
    beside = (rows * angle.cos() - columns * angle.sin()).mul_(_STRETCH)
    total = torch.zeros(len(x), height, width, device=x.device)
    for octave in range(_OCTAVES):
        total -= _smooth_noise(rng, along, beside, 2.0**octave).abs_().mul_(_FALL**octave)
    total -= total.mean((1, 2), keepdim=True)
    total *= _RELIEF / total.square().mean((1, 2), keepdim=True).sqrt_().clamp_min_(1e-6)
    bright = rng.uniform(1, 1, 1)
    tint = torch.tensor(_TINT, device=x.device) if x.shape[1] == 3 else torch.zeros(1, device=x.device)
    ground = _DARKEST + (_BRIGHTEST - _DARKEST) * bright + tint.view(1, -1, 1, 1) * (1.0 - bright)
    return (ground + total[:, None]).clamp_(0.0, 1.0)


def _smooth_noise(rng: Rng, along: Tensor, beside: Tensor, finer: float) -> Tensor:
    """Noise in `(-1, 1)`, so many times finer than smooth at unit scale, at these places `(N, H, W)`.

    Its values are those of a grid, repeated, and linear in between.
    """
    grid = functional.pad(uniforms(rng, 1, _GRID, _GRID), (0, 1, 0, 1), mode="circular")
    places = torch.stack([along, beside], 3).mul_(finer / _GRID)
    # From the share of the grid that is left over to the -1 … 1 of grid_sample.
    places.sub_(places.floor()).mul_(2.0).sub_(1.0)
    return functional.grid_sample(grid, places, align_corners=True)[:, 0]


_GRID = 16
_OCTAVES = 5
_FALL = 0.75
_NEEDLE = 32.0
_STRETCH = 2.0
_DARKEST, _BRIGHTEST, _RELIEF = 0.38, 0.87, 0.21
_TINT = (-0.06, 0.01, 0.05)


@corruption(
    "weather",
    cifar=((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
    imagenet=((1.5, 2), (2.0, 2), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4)),
)
def fog(x: Images, rng: Rng, strength: float, decay: float) -> Images:
    """Fog of uneven depth, grown by diamonds and squares."""
    most = x.amax((1, 2, 3), keepdim=True)
    height, width = x.shape[2:]
    side = 1 << (max(height, width) - 1).bit_length()
    mist = _plasma(rng, len(x), side, decay, x.device)[:, None, :height, :width]
    return (x + strength * mist) * (most / (most + strength))


def _plasma(rng: Rng, count: int, side: int, decay: float, device: torch.device) -> Tensor:
    """Fractal heights in `[0, 1]`, `(count, side, side)`; `side` a power of two. Rougher where `decay` is small.

    The paper's arithmetic, which adds a quarter of the mean's sum and so fades large forms. Borders are joined.
    """
    heights = torch.zeros(count, side, side, device=device)
    step, wobble = side, 100.0
    while step >= 2:
        half = step // 2
        corners = heights[:, ::step, ::step]
        dealt = uniforms(rng, 3, side // step, side // step).mul_(wobble * wobble)
        pairs = corners + corners.roll(-1, 1)
        centres = (pairs + pairs.roll(-1, 2)).mul_(0.25).add_(dealt[:, 0])
        upright = centres + centres.roll(1, 1) + corners + corners.roll(-1, 2)
        sideways = centres + centres.roll(1, 2) + corners + corners.roll(-1, 1)
        heights[:, half::step, half::step] = centres
        heights[:, ::step, half::step] = upright.mul_(0.25).add_(dealt[:, 1])
        heights[:, half::step, ::step] = sideways.mul_(0.25).add_(dealt[:, 2])
        step, wobble = half, wobble / decay
    heights -= heights.amin((1, 2), keepdim=True)
    return heights / heights.amax((1, 2), keepdim=True).clamp_min(1e-12)
