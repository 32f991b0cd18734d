"""Random numbers in bulk: sixteen bits a number, four to a hash, looked up where they are not uniform."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.rng import Rng

_LEVELS = 65_536
_QUANTILES = 4_096


def uniforms(rng: Rng, *shape: int) -> Tensor:
    """Uniform float32 in `(-1, 1)`, `(N, *shape)`, on a grid of 65,536 steps."""
    return rng.sixteen(*shape).to(torch.float32).sub_(_LEVELS / 2 - 0.5).mul_(2.0 / _LEVELS)


def normals(rng: Rng, *shape: int) -> Tensor:
    """Standard normal float32, `(N, *shape)`: one of 65,536 equally likely quantiles, up to 4.3 deviations."""
    dealt = rng.sixteen(*shape)
    return _normal_quantiles(dealt.device).index_select(0, dealt.view(-1)).view(dealt.shape)


def poissons(rng: Rng, levels: Tensor, most: float) -> Tensor:
    """Poisson numbers, at most `most`, as float32, of mean `levels / 255 * most`; `levels`, `(N, …)`, are 0 to 255.

    Each is one of 4,096 equally likely quantiles, so what is rarer than 1 in 8,192 does not happen.
    """
    dealt = rng.sixteen(*levels.shape[1:]).bitwise_right_shift_(4)
    at = levels.to(torch.int32).mul_(_QUANTILES).add_(dealt)
    return _poisson_quantiles(most, levels.device).index_select(0, at.view(-1)).view(levels.shape)


@lru_cache(maxsize=8)
def _normal_quantiles(device: torch.device) -> Tensor:
    quantiles: Tensor = torch.special.ndtri(_middles(_LEVELS)).float().to(device)
    return quantiles


@lru_cache(maxsize=16)
def _poisson_quantiles(most: float, device: torch.device) -> Tensor:
    mean = torch.arange(256, dtype=torch.float64)[:, None] / 255.0 * most
    counts = torch.arange(int(most) + 1, dtype=torch.float64)
    # Chance of at most so many; with a mean of 0 the function is not defined, and the chance is 1.
    below = torch.special.gammaincc(counts + 1.0, mean.clamp_min(1e-12))
    found = torch.searchsorted(below.contiguous(), _middles(_QUANTILES).expand(256, -1).contiguous())
    return found.float().clamp_max_(most).flatten().to(device)


def _middles(count: int) -> Tensor:
    return (torch.arange(count, dtype=torch.float64) + 0.5) / count
