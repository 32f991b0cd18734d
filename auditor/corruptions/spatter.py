"""Spatter of arXiv:1903.12261: drops of water or of mud on the lens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from auditor.corruptions.base import corruption
from auditor.corruptions.draws import normals
from auditor.corruptions.filters import EDGE, WHOLE, gaussian, gray, padded

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.rng import Rng
    from auditor.types import Images

_WATER = (175 / 255, 238 / 255, 238 / 255)
_MUD = (63 / 255, 42 / 255, 20 / 255)
_WEAK, _STRONG = 50.0, 150.0
_FARTHEST = 20
_HYSTERESIS = 4
"""Steps that a weak edge may be away from a strong one; there is no limit in Canny's algorithm."""


@corruption(
    "weather",
    cifar=(
        (0.62, 0.1, 0.7, 0.7, 0.5, 0),
        (0.65, 0.1, 0.8, 0.7, 0.5, 0),
        (0.65, 0.3, 1, 0.69, 0.5, 0),
        (0.65, 0.1, 0.7, 0.69, 0.6, 1),
        (0.65, 0.1, 0.5, 0.68, 0.6, 1),
    ),
    imagenet=(
        (0.65, 0.3, 4, 0.69, 0.6, 0),
        (0.65, 0.3, 3, 0.68, 0.6, 0),
        (0.65, 0.3, 2, 0.68, 0.5, 0),
        (0.65, 0.3, 1, 0.65, 1.5, 1),
        (0.67, 0.4, 1, 0.65, 1.5, 1),
    ),
    lengths=(2,),
)
def spatter(
    x: Images, rng: Rng, mean: float, deviation: float, sigma: float, threshold: float, strength: float, mud: float
) -> Images:
    """Drops on the lens: of water (severities 1 to 3), of mud (4 and 5)."""
    liquid = gaussian(normals(rng, 1, *x.shape[2:]).mul_(deviation).add_(mean), sigma)
    if mud:
        cover = functional.threshold(gaussian((liquid > threshold).float(), strength), 0.8, 0.0)
        return torch.lerp(x, _colour(_MUD, x), cover)
    drops = functional.threshold(liquid, threshold, 0.0).mul_(255.0).floor_().clamp_max_(255.0)
    shine = drops * _relief(_distance(_edges(drops)))
    shine *= strength / shine.amax((2, 3), keepdim=True).clamp_min(1e-12)
    return x + shine * _colour(_WATER, x)


def _colour(colour: tuple[float, float, float], x: Images) -> Tensor:
    paint = torch.tensor(colour, device=x.device).view(1, 3, 1, 1)
    return paint if x.shape[1] == 3 else gray(paint)


def _edges(x: Tensor) -> Tensor:
    """Canny's edges (1986) of images `(N, 1, H, W)` of whole numbers, bool; L1 size of Sobel's gradient."""
    at = _neighbours(x, EDGE)
    across = at[-1, 1] + 2.0 * at[0, 1] + at[1, 1] - at[-1, -1] - 2.0 * at[0, -1] - at[1, -1]
    down = at[1, -1] + 2.0 * at[1, 0] + at[1, 1] - at[-1, -1] - 2.0 * at[-1, 0] - at[-1, 1]
    size = across.abs() + down.abs()
    near = _neighbours(functional.pad(size, (1, 1, 1, 1)), None)
    flat, steep = down.abs() < 0.41421356 * across.abs(), down.abs() > 2.41421356 * across.abs()
    falling = (across * down) >= 0
    diagonal = torch.where(falling, torch.maximum(near[-1, -1], near[1, 1]), torch.maximum(near[-1, 1], near[1, -1]))
    sideways = (size > near[0, -1]) & (size >= near[0, 1])
    upright = (size > near[-1, 0]) & (size >= near[1, 0])
    ridge = torch.where(flat, sideways, torch.where(steep, upright, size > diagonal))
    weak, strong = ridge & (size > _WEAK), ridge & (size > _STRONG)
    found = strong.float()
    for _ in range(_HYSTERESIS):
        found = _spread(found).mul_(weak)
    return found > 0


def _neighbours(x: Tensor, border: str | None) -> dict[tuple[int, int], Tensor]:
    """What lies `(down, across)` of every pixel, by one; without `border` the outermost pixels are only looked at."""
    wide = x if border is None else padded(x, 1, 1, 1, 1, border)
    height, width = wide.shape[2] - 2, wide.shape[3] - 2
    return {(i, j): wide[:, :, 1 + i : 1 + i + height, 1 + j : 1 + j + width] for i in (-1, 0, 1) for j in (-1, 0, 1)}


def _distance(edges: Tensor) -> Tensor:
    """How far every pixel is from the nearest edge, `(N, 1, H, W)`, at most 20."""
    height = edges.shape[2]
    row = torch.arange(height, device=edges.device, dtype=torch.float32).view(1, 1, -1, 1)
    above = row - torch.where(edges, row, -1e3).cummax(2).values
    below = (torch.where(edges, row, 1e4).flip(2).cummin(2).values.flip(2)) - row
    upright = torch.minimum(above, below).clamp_max_(_FARTHEST).square_()
    wide = functional.pad(upright, (_FARTHEST, _FARTHEST), value=float(_FARTHEST**2))
    nearest, farther = upright, torch.empty_like(upright)
    for i in range(2 * _FARTHEST + 1):
        torch.add(wide[..., i : i + edges.shape[3]], float((i - _FARTHEST) ** 2), out=farther)
        torch.minimum(nearest, farther, out=nearest)
    return nearest.sqrt_()


def _relief(distance: Tensor) -> Tensor:
    """How brightly drops shine at these distances from their edges: equalised, then lit from the upper left."""
    equal = _equalised(_mean(distance).floor_())
    at = _neighbours(equal, WHOLE)
    lit = -2.0 * at[-1, -1] - at[-1, 0] - at[0, -1] + at[0, 0] + at[0, 1] + at[1, 0] + 2.0 * at[1, 1]
    return _mean(lit.clamp_(0.0, 255.0)).round_()


def _mean(x: Tensor) -> Tensor:
    wide = padded(x, 1, 1, 1, 1, WHOLE)
    rows = wide[:, :, :-2] + wide[:, :, 1:-1] + wide[:, :, 2:]
    return (rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]).div_(9.0)


def _spread(x: Tensor) -> Tensor:
    """The largest of every pixel and its eight neighbours."""
    wide = functional.pad(x, (1, 1, 1, 1))
    rows = torch.maximum(torch.maximum(wide[:, :, :-2], wide[:, :, 1:-1]), wide[:, :, 2:])
    return torch.maximum(torch.maximum(rows[..., :-2], rows[..., 1:-1]), rows[..., 2:])


def _equalised(x: Tensor) -> Tensor:
    """Whole numbers from 0 to 20 spread over 0 to 255 so that each takes as much room as it has pixels."""
    values = x.long().flatten(1)
    counts = torch.zeros(len(x), _FARTHEST + 1, device=x.device)
    counts.scatter_add_(1, values, torch.ones_like(values, dtype=torch.float32))
    below = counts.cumsum(1)
    first = counts.gather(1, (counts > 0).int().argmax(1, keepdim=True))
    rest = (values.shape[1] - first).clamp_min(1.0)
    table = ((below - first) * (255.0 / rest)).clamp_min_(0.0).round_()
    # A single value has nothing to be spread from, and stays.
    alone = first == values.shape[1]
    table = torch.where(alone, torch.arange(_FARTHEST + 1, device=x.device, dtype=torch.float32), table)
    return table.gather(1, values).view(x.shape)
