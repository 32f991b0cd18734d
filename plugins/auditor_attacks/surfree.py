"""SurFree: Maho, Furon & Le Merrer, arXiv:2011.12807."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.lanes import put
from auditor.parameters import parameter
from auditor.types import Norm
from auditor_attacks._border import Border, BorderAttack, Search, beside
from auditor_attacks._grain import noise

if TYPE_CHECKING:
    from auditor.rng import Rng

_WIDEST, _UNKNOWN = 0.49 * math.pi, math.pi


@dataclass(frozen=True, kw_only=True)
class SurFree(BorderAttack):
    """Turns the way to the border in random planes, along circles on which every wrong point is a nearer one.

    It estimates no slope: every question may come nearer. The angles tried first follow what succeeded before.

    Finds: l2 examples where slopes cannot be measured, since it needs none; elsewhere `hopskipjump` comes nearer.
    Blind to: what many questions about one place would tell; its gains become small where those of others do not.
    Cost: `queries` forward passes.
    Use it when: the model gives labels only, the norm is l2, and `hopskipjump` stalls.
    """

    name: ClassVar[str] = "surfree"
    paper: ClassVar[str] = "arXiv:2011.12807"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.L2})

    queries: int = parameter(2000, help="questions asked per sample", low=1, high=10_000_000)
    halvings: int = parameter(2, help="questions that narrow down how far a good plane leads", low=0, high=20)
    grain: int = parameter(
        4, help="largest tile of one value in random changes, in pixels; 1 is the paper's", low=1, high=1024
    )

    def along(self, border: Border, rng: Rng) -> Search:
        x = border.x
        nearest = border.edge
        border.adopt(border.found, nearest)
        usual = torch.full_like(border.high, 0.3)
        # In the plane at hand: the widest angle that is wrong, the narrowest that is right, and what to ask next.
        low, high, angle = torch.zeros_like(usual), torch.full_like(usual, _UNKNOWN), usual.clone()
        side, tries, halved = torch.ones_like(usual), torch.zeros_like(usual), torch.zeros_like(usual)
        fresh, direction = torch.ones_like(border.found), torch.zeros_like(x)
        for fine, coarse in noise(rng, x, self.grain):
            put(direction, fresh, fine + coarse)
            inwards = angle.cos()
            aside = side * angle.sin() * inwards * border.high
            point = beside(x, border.far, direction, aside, inwards.square()).clamp_(0.0, 1.0)
            wrong = yield point

            put(nearest, wrong, point)
            trying = (low == 0.0) & ~wrong
            halved = halved + (~trying & (high < _UNKNOWN))
            high = torch.where(wrong | trying, high, angle)
            low = torch.where(wrong, angle, low)
            tries = tries + trying
            # Both sides at one angle, then both at half of it, where the angle before bounds what is found.
            narrower = trying & (tries == 2)
            high = torch.where(narrower, angle, high)
            side = torch.where(trying, -side, side)
            lost = trying & (tries >= 4)
            done = ~trying & (halved > self.halvings) | (low >= 0.9 * _WIDEST)

            border.adopt(done, nearest)
            usual = torch.where(done, low, torch.where(lost, 0.7 * usual, usual)).clamp_min(1e-4)
            fresh = lost | done
            angle = torch.where(low > 0.0, torch.where(high < _UNKNOWN, 0.5 * (low + high), 1.5 * low), angle)
            angle = torch.where(narrower, 0.5 * angle, angle).clamp_max(_WIDEST)
            angle = torch.where(fresh, usual, angle)
            low, high = low.masked_fill(fresh, 0.0), high.masked_fill(fresh, _UNKNOWN)
            tries, halved = tries.masked_fill(fresh, 0.0), halved.masked_fill(fresh, 0.0)
