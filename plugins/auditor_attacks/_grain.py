"""Noise of several grains, for searches that learn from random changes.

The slopes of networks are smoother than white noise, which is why coarse directions come further with few questions
(Li et al., arXiv:2005.14137, section 3.4).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.rng import Rng
    from auditor.types import Images

_OCTET = 8
_AHEAD = 2048
"""Octets dealt at a time: the draws of small images together, since each would take about as long as all of them."""


def grains(like: Images, grain: int) -> int:
    """How many sizes of tiles there are: 1, 2, 4, … pixels across, up to `grain`; 1 for inputs that are no images."""
    return min(grain, max(like.shape[2:])).bit_length() if like.dim() == 4 else 1


def noise(rng: Rng, like: Images, grain: int) -> Iterator[tuple[Images, Images]]:
    """Draws without end of white noise, and of the sum of the coarser tiles, for samples `like`, `(N, …)` each.

    Every pixel and every tile is -1 or 1, so that the second has variance `grains(like, grain) - 1`.
    """
    channels, height, width = like.shape[1:] if like.dim() == 4 else (1, 1, like[0].numel())
    sides = [2**i for i in range(grains(like, grain))]
    # Rows end with the last octet that they need, columns with the last tile.
    down = math.ceil(height / sides[-1]) * sides[-1]
    rows = [channels * down // side for side in sides]
    counts = [count * math.ceil(width / (side * _OCTET)) for count, side in zip(rows, sides, strict=True)]
    draws = max(1, _AHEAD // sum(counts))

    def cut(tiles: Tensor) -> Tensor:
        return tiles.view(draws, -1, channels, down, width)[:, :, :, :height].reshape(draws, *like.shape)

    while True:
        octets = rng.octets(draws * sum(counts)).view(-1, draws, sum(counts)).transpose(0, 1).to(torch.int32)
        dealt = octets.split_with_sizes(counts, 2)
        fine, *tiles = (
            _signs(part, side).view(draws, len(like), count, -1)[..., :width]
            for part, side, count in zip(dealt, sides, rows, strict=True)
        )
        coarse = functools.reduce(_added, reversed(tiles)) if tiles else None
        tiled = torch.zeros_like(like).expand(draws, *like.shape) if coarse is None else cut(_twice(coarse))
        yield from zip(cut(fine.contiguous()), tiled, strict=True)


def _added(coarse: Tensor, fine: Tensor) -> Tensor:
    """Rows of tiles, `(…, R, W)`, with those of the next coarser ones, `(…, R / 2, W)`, added in place."""
    draws, samples, rows, width = coarse.shape
    fine.view(draws, samples, rows, 2, width).add_(coarse.unsqueeze(3))
    return fine


def _twice(rows: Tensor) -> Tensor:
    """Every row twice."""
    return rows.unsqueeze(3).expand(-1, -1, -1, 2, -1).flatten(2, 3)


def _signs(octets: Tensor, side: int) -> Tensor:
    """The bits of octets, `(…, B)` int32, as -1 and 1, each as often as a tile is wide: `(…, 8 * side * B)`."""
    return functional.embedding(octets, _table(side, octets.device)).flatten(-2)


@functools.cache
def _table(side: int, device: torch.device) -> Tensor:
    """What each octet stands for: to look it up is cheaper than to take bits apart."""
    bits = torch.arange(1 << _OCTET, device=device)[:, None] >> torch.arange(_OCTET, device=device) & 1
    return (2.0 * bits - 1.0).repeat_interleave(side, 1)
