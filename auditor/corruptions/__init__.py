"""The corruptions of ImageNet-C (Hendrycks & Dietterich, arXiv:1903.12261), batched, on any device, at any size.

    from auditor.corruptions import CORRUPTIONS

    CORRUPTIONS["fog"](x, 3, rng)       # (N, C, H, W) in [0, 1], severity 3, a stream of random numbers per image

They follow the program that made ImageNet-C and CIFAR-10-C, whose constants they have, with these differences:
images end as multiples of 1/255 by rounding, where the program cuts off, and are not stored as JPEG files after it;
frost is grown instead of pasted from photographs; and Gaussian numbers are quantiles on a grid of 65,536, Poisson
numbers on one of 4,096.
"""

from __future__ import annotations

import difflib

from auditor.corruptions import blur, colour, digital, noise, spatter, weather
from auditor.corruptions.base import SEVERITIES, TABLES, Corruption
from auditor.errors import UsageError

__all__ = ["COMMON", "CORRUPTIONS", "EXTRA", "SEVERITIES", "TABLES", "Corruption", "chosen"]

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
"""All of them, by name. New ones are added at the end: evidence names them by their place."""


def chosen(text: str) -> tuple[Corruption, ...]:
    """The corruptions meant by names and sets with commas between them: `noise,fog`, each once, in a fixed order.

    Sets are `common` (the paper's fifteen), `extra` (its four others), `all`, and the groups.

    Raises:
        UsageError: there is no such name or set.
    """
    groups = dict.fromkeys(each.group for each in CORRUPTIONS.values())
    sets = {group: tuple(each for each in CORRUPTIONS.values() if each.group == group) for group in groups}
    sets |= {"common": COMMON, "extra": EXTRA, "all": tuple(CORRUPTIONS.values())}
    names: set[str] = set()
    for word in (part.strip() for part in text.split(",")):
        if word not in sets and word not in CORRUPTIONS:
            near = difflib.get_close_matches(word, (*sets, *CORRUPTIONS), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UsageError(f"There is no corruption {word!r}.{hint} Sets are {', '.join(sets)}.")
        names |= {each.name for each in sets.get(word, ())} or {word}
    return tuple(each for each in CORRUPTIONS.values() if each.name in names)
