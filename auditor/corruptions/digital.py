"""What files and screens do to images: elastic, pixelate and jpeg of arXiv:1903.12261."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from auditor.corruptions.base import corruption
from auditor.corruptions.draws import uniforms
from auditor.corruptions.filters import HALF, gaussian

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.rng import Rng
    from auditor.types import Images

_SMALL, _LARGE = 32.0, 244.0  # The paper's program says 244 where it means 224; its data were made so.


@corruption(
    "digital",
    cifar=(
        (0.0, 0.0, 0.08 * _SMALL),
        (0.05 * _SMALL, 0.2 * _SMALL, 0.07 * _SMALL),
        (0.08 * _SMALL, 0.06 * _SMALL, 0.06 * _SMALL),
        (0.1 * _SMALL, 0.04 * _SMALL, 0.05 * _SMALL),
        (0.1 * _SMALL, 0.03 * _SMALL, 0.03 * _SMALL),
    ),
    imagenet=(
        (2 * _LARGE, 0.7 * _LARGE, 0.1 * _LARGE),
        (2 * _LARGE, 0.08 * _LARGE, 0.2 * _LARGE),
        (0.05 * _LARGE, 0.01 * _LARGE, 0.02 * _LARGE),
        (0.07 * _LARGE, 0.01 * _LARGE, 0.02 * _LARGE),
        (0.12 * _LARGE, 0.01 * _LARGE, 0.02 * _LARGE),
    ),
    lengths=(0, 1, 2),
)
def elastic_transform(x: Images, rng: Rng, distance: float, sigma: float, corners: float) -> Images:
    """A stretched image: three corners are moved (severities 1 and 2), pixels shifted smoothly (3 to 5)."""
    if corners:
        x = _sheared(x, uniforms(rng, 3, 2).mul_(corners))
    if not distance:
        return x
    height, width = x.shape[2:]
    shifts = gaussian(uniforms(rng, 2, height, width), sigma, HALF, truncate=3.0).mul_(distance)
    columns = (shifts[:, 0] + torch.arange(width, device=x.device) + 0.5).mul_(2.0 / width).sub_(1.0)
    rows = (shifts[:, 1] + torch.arange(height, device=x.device)[:, None] + 0.5).mul_(2.0 / height).sub_(1.0)
    at = torch.stack([columns, rows], 3)
    return functional.grid_sample(x, at, padding_mode="reflection", align_corners=False)


def _sheared(x: Images, moves: Tensor) -> Images:
    """The affine image under which three points about the centre move so far, `(N, 3, 2)` pixels across and down.

    In pictures of fewer than three pixels the points are one, and nothing is sheared.
    """
    height, width = x.shape[2:]
    if min(height, width) < 3:
        return x
    middle, side = (float(width // 2), float(height // 2)), float(min(height, width) // 3)
    points = torch.tensor([(side, side), (side, -side), (-side, -side)], dtype=torch.float64, device=x.device)
    points = torch.cat([points + torch.tensor(middle, device=x.device), torch.ones_like(points[:, :1])], 1)
    # Where pixels go, and so where each comes from; both in pixels, three rows: x, y, 1.
    forth = torch.linalg.solve(points, points[:, :2] + moves.double())
    back = torch.linalg.inv(forth[:, :2])
    grid = torch.stack(
        torch.meshgrid(
            torch.arange(width, dtype=torch.float64, device=x.device),
            torch.arange(height, dtype=torch.float64, device=x.device),
            indexing="xy",
        ),
        2,
    )
    source = ((grid.view(1, -1, 2) - forth[:, 2:]) @ back).view(len(x), height, width, 2)
    last = torch.tensor([max(width - 1, 1), max(height - 1, 1)], device=x.device)
    at = (source * (2.0 / last) - 1.0).float()
    return functional.grid_sample(x, at, padding_mode="reflection", align_corners=True)


@corruption("digital", cifar=(0.95, 0.9, 0.85, 0.75, 0.65), imagenet=(0.6, 0.5, 0.4, 0.3, 0.25))
def pixelate(x: Images, rng: Rng, scale: float) -> Images:
    """A small image shown large: averages of boxes, each repeated."""
    down, across = (_boxes(size, max(1, int(size * scale))).to(x.device) for size in x.shape[2:])
    small = (down @ (x @ across.T)).mul_(255.0).round_().div_(255.0)
    rows, columns = (_nearest(*sizes, x.device) for sizes in zip(x.shape[2:], small.shape[2:], strict=True))
    return small.index_select(2, rows).index_select(3, columns)


@lru_cache(maxsize=64)
def _boxes(size: int, smaller: int) -> Tensor:
    """The matrix that averages `size` pixels into fewer; a pixel counts for the box that its middle lies in."""
    scale = size / smaller
    middles = (torch.arange(smaller, dtype=torch.float64)[:, None] + 0.5) * scale
    apart = (torch.arange(size, dtype=torch.float64) + 0.5 - middles) * (1.0 / scale)
    inside = ((apart > -0.5) & (apart <= 0.5)).float()
    return inside / inside.sum(1, keepdim=True)


def _nearest(size: int, smaller: int, device: torch.device) -> Tensor:
    return (2 * torch.arange(size, device=device) + 1) * smaller // (2 * size)


@corruption("digital", cifar=(80, 65, 58, 50, 40), imagenet=(25, 18, 15, 10, 7))
def jpeg_compression(x: Images, rng: Rng, quality: float) -> Images:
    """A real JPEG file of this quality, written and read; on the CPU, images in parallel.

    Images with neither 1 nor 3 channels are written as one gray file per channel.
    """
    coloured = x.shape[1] in (1, 3)
    images = x if coloured else x.flatten(0, 1)[:, None]
    # Row by row and within it channel by channel, since whole rows are copied far faster than single pixels.
    rows = images.mul(255.0).round_().to("cpu", torch.uint8).transpose(1, 2).contiguous().numpy()
    # Coding lets go of the interpreter, so threads do run side by side.
    if (workers := torch.get_num_threads()) == 1:
        stored = [_stored(image, round(quality)) for image in rows]
    else:
        with ThreadPoolExecutor(workers) as pool:
            stored = list(pool.map(_stored, rows, [round(quality)] * len(rows)))
    read = torch.frombuffer(bytearray().join(stored), dtype=torch.uint8).view(rows.shape).transpose(1, 2)
    return read.to(x.device, torch.float32).div_(255.0).reshape(x.shape)


def _stored(rows: np.ndarray[Any, Any], quality: int) -> bytes:
    """An image `(H, 1 or 3, W)` of uint8 as it comes back from a file, in the same order."""
    from PIL import Image

    mode, order = ("L", "L") if rows.shape[1] == 1 else ("RGB", "RGB;L")
    image, file = Image.frombytes(mode, (rows.shape[2], rows.shape[0]), rows.data, "raw", order), io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    with Image.open(file) as read:
        return read.tobytes("raw", order)
