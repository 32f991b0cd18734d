"""The corruptions of ImageNet-C (Hendrycks & Dietterich, arXiv:1903.12261), batched, on any device, at any size.

    from auditor.corruptions import CORRUPTIONS

    CORRUPTIONS["fog"](x, 3, rng)       # (N, C, H, W) in [0, 1], severity 3, a stream of random numbers per image

They follow the program that made ImageNet-C and CIFAR-10-C, whose constants they have, with these differences:
images end as multiples of 1/255 by rounding, where the program cuts off, and are not stored as JPEG files after it;
frost is grown instead of pasted from photographs; and Gaussian numbers are quantiles on a grid of 65,536, Poisson
numbers on one of 4,096.
"""

from __future__ import annotations

from auditor.corruptions import blur, colour, digital, noise, spatter, weather
from auditor.corruptions.base import SEVERITIES, TABLES, Corruption

__all__ = ["COMMON", "CORRUPTIONS", "EXTRA", "SEVERITIES", "TABLES", "Corruption"]

COMMON: tuple[Corruption, ...] = (
    noise.gaussian_noise,
    noise.shot_noise,
    noise.impulse_noise,
    blur.defocus_blur,
    blur.glass_blur,
    blur.motion_blur,
    blur.zoom_blur,
    weather.snow,
    weather.frost,
    weather.fog,
    colour.brightness,
    colour.contrast,
    digital.elastic_transform,
    digital.pixelate,
    digital.jpeg_compression,
)
"""The fifteen of which the mean corruption error is made, in the paper's order."""

EXTRA: tuple[Corruption, ...] = (noise.speckle_noise, blur.gaussian_blur, spatter.spatter, colour.saturate)
"""The four that the paper keeps for validation."""

COLOUR: tuple[Corruption, ...] = (colour.darkness, colour.hue, colour.gamma)
PLAIN: tuple[Corruption, ...] = (noise.uniform_noise,)

CORRUPTIONS: dict[str, Corruption] = {each.name: each for each in (*COMMON, *EXTRA, *COLOUR, *PLAIN)}
"""All of them, by name."""
