"""Filters of whole batches: blurs as matrix products, kernels through Fourier space, enlargement, resampling."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

EDGE, HALF, WHOLE = "edge", "half", "whole"
"""How images go on beyond their border: the last pixel repeated; mirrored with it, without it."""


def beyond(size: int, positions: Tensor, border: str) -> Tensor:
    """Where in `0 … size - 1` the image is looked up for integer positions anywhere."""
    if border == EDGE or size == 1:
        return positions.clamp(0, size - 1)
    period = 2 * size if border == HALF else 2 * size - 2
    folded = positions.remainder(period)
    return torch.where(folded < size, folded, (period - 1 if border == HALF else period) - folded)


def padded(x: Tensor, top: int, bottom: int, left: int, right: int, border: str) -> Tensor:
    """Images `(…, H, W)` with so many more rows and columns."""
    height, width = x.shape[-2:]
    rows = beyond(height, torch.arange(-top, height + bottom, device=x.device), border)
    columns = beyond(width, torch.arange(-left, width + right, device=x.device), border)
    return x.index_select(-2, rows).index_select(-1, columns)


def gaussian(x: Tensor, sigma: float, border: str = EDGE, truncate: float = 4.0) -> Tensor:
    """Images `(…, H, W)` blurred by a Gaussian that is cut off at `truncate` deviations.

    Borders and all, a blur along one axis is a matrix, and products of matrices are what machines do fastest.
    """
    radius = int(truncate * sigma + 0.5)
    if radius == 0:
        return x
    height, width = x.shape[-2:]
    down = _band(height, sigma, radius, border).to(x.device)
    across = _band(width, sigma, radius, border).to(x.device)
    return down @ (x @ across.T)


@lru_cache(maxsize=64)
def _band(size: int, sigma: float, radius: int, border: str) -> Tensor:
    offsets = torch.arange(-radius, radius + 1)
    weights = torch.exp(-0.5 * (offsets.double() / sigma) ** 2)
    rows = torch.arange(size)[:, None]
    looked_up = beyond(size, rows + offsets, border)
    band = torch.zeros(size, size, dtype=torch.float64)
    band.index_put_((rows.expand_as(looked_up), looked_up), (weights / weights.sum()).expand(size, -1), accumulate=True)
    return band.float()


def correlate(x: Tensor, kernel: Tensor, reach: tuple[int, int, int, int], border: str) -> Tensor:
    """Images `(N, C, H, W)` filtered, each by its own kernel or all by one: `(N or 1, 1, h, w)`.

    Kernels are given on the padded canvas of `canvas(...)`, with the entry for offset `(dy, dx)` at its remainder.
    """
    top, _, left, _ = reach
    height, width = x.shape[-2:]
    size = kernel.shape[-2:]
    wide = padded(x, top, size[0] - height - top, left, size[1] - width - left, border)
    spectrum = torch.fft.rfft2(wide).mul_(torch.fft.rfft2(kernel).conj())
    filtered: Tensor = torch.fft.irfft2(spectrum, s=size)
    return filtered[..., top : top + height, left : left + width]


def canvas(x: Tensor, reach: tuple[int, int, int, int]) -> tuple[int, int]:
    """Height and width of images with `reach` (top, bottom, left, right) around them, rounded up to what is fast."""
    height, width = x.shape[-2:]
    top, bottom, left, right = reach
    return _smooth(height + top + bottom), _smooth(width + left + right)


def _smooth(size: int) -> int:
    """The next even number without prime factors above 5."""
    while size % 2 or _rest(size) > 1:
        size += 1
    return size


def _rest(size: int) -> int:
    for factor in (2, 3, 5):
        while size % factor == 0:
            size //= factor
    return size


def enlarged(x: Tensor, factor: float) -> Tensor:
    """The middle of images `(N, C, H, W)` enlarged to their size; `factor` at least 1, between pixels linear."""
    height, width = x.shape[2:]
    rows, columns = math.ceil(height / factor), math.ceil(width / factor)
    top, left = (height - rows) // 2, (width - columns) // 2
    size = round(rows * factor), round(columns * factor)
    middle = x[:, :, top : top + rows, left : left + columns]
    large = functional.interpolate(middle, size=size, mode="bilinear", align_corners=True)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    return large[:, :, top : top + height, left : left + width]


def gray(x: Tensor) -> Tensor:
    """Brightness as the eye weighs colours (ITU-R BT.601), `(N, 1, H, W)`; the mean where there are not 3 channels."""
    if x.shape[1] != 3:
        return x.mean(1, keepdim=True)
    return 0.299 * x[:, :1] + 0.587 * x[:, 1:2] + 0.114 * x[:, 2:]
