"""Corruptions as a threat: a point names a corruption, its severity, and what its randomness is drawn from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from auditor.corruptions import CORRUPTIONS
from auditor.rng import Rng
from auditor.spaces import Space

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.types import Images

DRAWS = 2**24
"""Seeds that a float32 tells apart."""
_NUMBERED = tuple(CORRUPTIONS.values())
_NUMBERS = {corruption.name: number for number, corruption in enumerate(_NUMBERED, 1)}
_MOST = 5


def number_of(name: str) -> int:
    """The number by which points name a corruption; 0 stands for none."""
    return _NUMBERS[name]


def name_of(number: int) -> str:
    """The corruption that points name by this number, from 1."""
    return _NUMBERED[number - 1].name


@dataclass(frozen=True)
class Corrupted(Space):
    """Points `(N, 3)`, whole numbers: which corruption (0 for none), its severity, the seed of its randomness.

    Their size is the severity, so a budget is the severest that is allowed. What a point makes of a sample depends on
    nothing else, so anyone can make it again.
    """

    def origin(self, x: Images) -> Tensor:
        return x.new_zeros(len(x), 3)

    def project(self, points: Tensor, origin: Tensor, eps: float) -> Tensor:
        number, severity, seed = points.round().unbind(1)
        severity = severity.clamp(0, math.floor(min(eps, _MOST)))
        points = torch.stack([number.clamp(0, len(_NUMBERED)), severity, seed.clamp(0, DRAWS - 1)], 1)
        return points * ((points[:, :1] > 0) & (points[:, 1:2] > 0))

    def distance(self, points: Tensor, origin: Tensor) -> Tensor:
        number, severity, seed = points.double().unbind(1)
        known = (number >= 1) & (number <= len(_NUMBERED)) & (severity >= 1) & (severity <= _MOST)
        known &= (seed >= 0) & (seed < DRAWS) & (points == points.round()).all(1)
        still = (points == 0).all(1)
        return torch.where(known, severity, torch.where(still, 0.0, torch.inf))

    def render(self, points: Tensor, x: Images) -> Images:
        images, near = x.clone(), self.distance(points, points).isfinite()
        kinds = torch.where(near[:, None], points[:, :2].detach(), 0.0).long()
        for number, severity in torch.unique(kinds, dim=0).tolist():
            if number:
                rows = (kinds == torch.tensor([number, severity], device=x.device)).all(1).nonzero().squeeze(1)
                rng = Rng.keyed(0, "corruption", points[rows, 2].long())
                images[rows] = _NUMBERED[number - 1](x[rows], severity, rng)
        return images
