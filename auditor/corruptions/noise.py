"""Noise: Gaussian, shot, impulse and speckle of arXiv:1903.12261, and uniform noise, the plainest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.corruptions.base import corruption
from auditor.corruptions.draws import normals, poissons, uniforms

if TYPE_CHECKING:
    from auditor.rng import Rng
    from auditor.types import Images


@corruption("noise", cifar=(0.04, 0.06, 0.08, 0.09, 0.10), imagenet=(0.08, 0.12, 0.18, 0.26, 0.38))
def gaussian_noise(x: Images, rng: Rng, deviation: float) -> Images:
    """Noise of a sensor in poor light."""
    return normals(rng, *x.shape[1:]).mul_(deviation).add_(x)


@corruption("noise", cifar=(500, 250, 100, 75, 50), imagenet=(60, 25, 12, 5, 3))
def shot_noise(x: Images, rng: Rng, photons: float) -> Images:
    """Noise of counted light; a white pixel collects so many photons."""
    return poissons(rng, x.mul(255.0).round_(), photons).div_(photons)


@corruption("noise", cifar=(0.01, 0.02, 0.03, 0.05, 0.07), imagenet=(0.03, 0.06, 0.09, 0.17, 0.27))
def impulse_noise(x: Images, rng: Rng, share: float) -> Images:
    """Salt and pepper, as of bit errors; in each channel by itself."""
    dealt, each = rng.sixteen(*x.shape[1:]), round(share * 32_768)
    return x.masked_fill(dealt < each, 0.0).masked_fill_(dealt >= 65_536 - each, 1.0)


@corruption("noise", cifar=(0.06, 0.10, 0.12, 0.16, 0.20), imagenet=(0.15, 0.20, 0.35, 0.45, 0.60))
def speckle_noise(x: Images, rng: Rng, deviation: float) -> Images:
    """Gaussian noise in proportion to the brightness of a pixel."""
    return normals(rng, *x.shape[1:]).mul_(deviation).add_(1.0).mul_(x)


@corruption("noise", cifar=(0.04, 0.08, 0.12, 0.16, 0.20), imagenet=(0.1, 0.2, 0.3, 0.4, 0.5))
def uniform_noise(x: Images, rng: Rng, width: float) -> Images:
    """Uniform noise, to either side; not of the paper."""
    return uniforms(rng, *x.shape[1:]).mul_(width).add_(x)
