"""What is done to training images at random, each in its own way, so that few of them show more than they are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from auditor.rng import Rng
    from auditor.types import Images

_PADDING = 8  # a crop moves by at most an eighth of the image's side
_TURN, _STRETCH, _SHEAR = math.radians(12.0), 0.12, 0.12


def usual(shape: tuple[int, ...]) -> frozenset[str]:
    """What is done to images where the user says nothing: colour photographs are cropped and mirrored; digits, letters
    and whatever is small or grey might become another class."""
    return frozenset({"crop", "flip"}) if len(shape) == 3 and shape[0] == 3 and min(shape[1:]) >= 32 else frozenset()


def augmented(x: Images, kinds: frozenset[str], rng: Rng) -> Images:
    """Images `(N, C, H, W)`, each at random `affine`: turned by up to 12 degrees, stretched and sheared by up to an
    eighth; `crop`: moved by up to an eighth of its side; `flip`: mirrored."""
    if "affine" in kinds:
        x = _affine(x, rng.fork("affine"))
    if "crop" in kinds:
        x = _cropped(x, rng)
    if "flip" in kinds:
        mirrored = rng.integers(2).bool()
        x = torch.where(mirrored[:, None, None, None], x.flip(3), x)
    return x.contiguous()


def _affine(x: Images, rng: Rng) -> Images:
    turn, across, down, shear = rng.uniform(4, low=-1.0, high=1.0).unbind(1)
    across, down, shear = (_STRETCH * across).exp(), (_STRETCH * down).exp(), _SHEAR * shear
    cos, sin = (_TURN * turn).cos(), (_TURN * turn).sin()
    # Where a pixel of the new image is looked up in the old one: stretched, sheared, then turned. Coordinates go from
    # -1 to 1 along either side, so that a turn of an oblong image has to be told of its shape.
    oblong = x.shape[2] / x.shape[3]
    upper = (across * cos, down * (shear * cos - sin) * oblong, torch.zeros_like(cos))
    lower = (across * sin / oblong, down * (shear * sin + cos), torch.zeros_like(cos))
    places = torch.stack([torch.stack(upper, 1), torch.stack(lower, 1)], 1)
    grid = functional.affine_grid(places, list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, align_corners=False).clamp_(0.0, 1.0)


def _cropped(x: Images, rng: Rng) -> Tensor:
    height, width = x.shape[2:]
    pad = max(1, min(height, width) // _PADDING)
    shift = rng.integers(2 * pad + 1, 2)
    down = shift[:, :1] + torch.arange(height)
    right = shift[:, 1:] + torch.arange(width)
    padded = functional.pad(x, (pad, pad, pad, pad))
    rows = torch.arange(len(x))[:, None, None]
    return padded[rows, :, down[:, :, None], right[:, None, :]].permute(0, 3, 1, 2)
