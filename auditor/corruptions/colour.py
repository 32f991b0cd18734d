"""Light and colour: brightness, contrast and saturation of arXiv:1903.12261, and darkness, hue and gamma."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from auditor.corruptions.base import corruption

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.rng import Rng
    from auditor.types import Images


@corruption("weather", cifar=(0.05, 0.1, 0.15, 0.2, 0.3), imagenet=(0.1, 0.2, 0.3, 0.4, 0.5))
def brightness(x: Images, rng: Rng, more: float) -> Images:
    """Brighter daylight: the value of hue, saturation and value is raised."""
    return _of_value(x, lambda value: value + more)


@corruption("colour", cifar=(0.05, 0.1, 0.15, 0.2, 0.3), imagenet=(0.1, 0.2, 0.3, 0.4, 0.5))
def darkness(x: Images, rng: Rng, less: float) -> Images:
    """Less light: the value of hue, saturation and value is lowered; not of the paper."""
    return _of_value(x, lambda value: value - less)


@corruption("digital", cifar=(0.75, 0.5, 0.4, 0.3, 0.15), imagenet=(0.4, 0.3, 0.2, 0.1, 0.05))
def contrast(x: Images, rng: Rng, kept: float) -> Images:
    """Less contrast: every channel is drawn towards its mean."""
    return torch.lerp(x.mean((2, 3), keepdim=True), x, kept)


@corruption(
    "colour",
    cifar=((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),
    imagenet=((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
    coloured=True,
)
def saturate(x: Images, rng: Rng, factor: float, more: float) -> Images:
    """Paler colours (severities 1 and 2), then gaudier ones; images in gray stay as they are."""
    if x.shape[1] == 1:
        return x
    value, least = x.amax(1, keepdim=True), x.amin(1, keepdim=True)
    spread = value - least
    before = spread / value.clamp_min(1e-12)
    after = (before * factor + more).clamp_(0.0, 1.0)
    changed = value - (value - x) * (after / before.clamp_min(1e-12))
    # Gray has no hue; the one that formulas give it, 0, is red.
    red = torch.cat([value, (value * (1.0 - after)).expand(-1, x.shape[1] - 1, -1, -1)], 1)
    return torch.where(spread > 0, changed, red)


@corruption("colour", cifar=(10, 20, 35, 60, 90), imagenet=(10, 20, 35, 60, 90), coloured=True)
def hue(x: Images, rng: Rng, degrees: float) -> Images:
    """Colours turned by so many degrees, to a side that is drawn for each image; gray stays as it is."""
    if x.shape[1] != 3:
        return x
    turn = torch.deg2rad(rng.signs(1, 1, 1)[:, 0] * degrees)
    # About the axis of grays, which leaves the sum of the channels alone (Rodrigues).
    even, odd = (1.0 - turn.cos()) / 3.0, turn.sin() / 3.0**0.5
    same, ahead, behind = turn.cos() + even, even - odd, even + odd
    rows = [(same, ahead, behind), (behind, same, ahead), (ahead, behind, same)]
    matrix = torch.cat([torch.cat(row, 2) for row in rows], 1)
    return (matrix @ x.flatten(2)).view(x.shape)


@corruption("colour", cifar=(1.25, 1.5, 2, 2.5, 3.5), imagenet=(1.25, 1.5, 2, 2.5, 3.5))
def gamma(x: Images, rng: Rng, exponent: float) -> Images:
    """A wrong tone curve: the pixels to this power, or to its inverse, as is drawn for each image."""
    return x ** (exponent ** rng.signs(1, 1, 1))


def _of_value(x: Images, change: Callable[[Tensor], Tensor]) -> Images:
    """Change the value, which is the largest channel, and keep hue and saturation: all channels by one factor."""
    value = x.amax(1, keepdim=True)
    changed = change(value).clamp_(0.0, 1.0)
    return torch.where(value > 0, x * (changed / value.clamp_min(1e-12)), changed)
