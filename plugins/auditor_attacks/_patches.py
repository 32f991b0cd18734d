"""Squares put into pictures and taken out of them, each in a place of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from auditor.spaces import square_at

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.rng import Rng
    from auditor.types import Images


def corners(x: Images, side: int, rng: Rng) -> tuple[Tensor, Tensor]:
    """Any place for a square in each picture: the row and column of its upper left corner, `(N,)` each."""
    height, width = x.shape[2:]
    return rng.integers(height - side + 1), rng.integers(width - side + 1)


def put(patch: Tensor, x: Images, top: Tensor, left: Tensor) -> Images:
    """The pictures `x` with `patch`, `(N or 1, C, side, side)`, upon them."""
    side, (height, width) = patch.shape[-1], x.shape[2:]
    rows = (torch.arange(height, device=x.device) - top[:, None]).clamp(0, side - 1)
    columns = (torch.arange(width, device=x.device) - left[:, None]).clamp(0, side - 1)
    shown = _at(patch.expand(len(x), -1, -1, -1), rows, columns)
    return torch.where(square_at(top, left, side, height, width), shown, x)


def taken(images: Tensor, top: Tensor, left: Tensor, side: int) -> Tensor:
    """What lies in the squares, `(N, C, side, side)`."""
    span = torch.arange(side, device=images.device)
    return _at(images, top[:, None] + span, left[:, None] + span)


def _at(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    each = torch.arange(len(images), device=images.device)[:, None, None]
    return images[each, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
