"""HopSkipJump: Chen, Jordan & Wainwright, arXiv:1904.02144."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.lanes import put
from auditor.norms import per_sample
from auditor.parameters import parameter
from auditor.types import Norm
from auditor_attacks._border import Border, BorderAttack, Search, size, some
from auditor_attacks._grain import noise
from auditor_attacks._looks import Looks

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.rng import Rng

_SMALL = 0.01
"""How far from the border its slope is measured, as a share of the distance to the sample."""
_HALVINGS = 12


@dataclass(frozen=True, kw_only=True)
class HopSkipJump(BorderAttack):
    """Follows the border of the class by labels alone, along slopes estimated from random looks to both of its sides.

    Finds: the nearest of what lies along smooth borders, where neither scores nor gradients are given away.
    Blind to: borders that are rough at the scale of its looks, and other borders than that nearest to its start.
    Cost: `queries` forward passes.
    Use it when: the model gives labels only; the nearest here in l2; in linf `rays` is.
    """

    name: ClassVar[str] = "hopskipjump"
    paper: ClassVar[str] = "arXiv:1904.02144"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF, Norm.L2})

    looks: int = parameter(
        100, help="questions for the first slope; the n-th gets sqrt(n) times as many", low=2, high=1_000_000
    )
    grain: int = parameter(
        4, help="largest tile of one value in random changes, in pixels; 1 is the paper's", low=1, high=1024
    )

    def along(self, border: Border, rng: Rng) -> Search:
        x = border.x
        # Every sample narrows down its border, looks around there for the slope, hops off along it, and begins anew.
        looking = hopping = torch.zeros_like(border.found)
        slope, length, hops = torch.zeros_like(x), torch.zeros_like(border.high), torch.zeros_like(border.high)
        narrow = _SMALL / math.sqrt(x[0].numel())
        looks = Looks(border, narrow if border.norm is Norm.L2 else _SMALL, self.grain)
        moved = True
        for fine, coarse in noise(rng, x, self.grain):
            if moved:
                narrowing = ~(looking | hopping)
                some_narrow, some_hop = some(narrowing), some(hopping)
                looks.among(looking, 1.0 / (1.0 + hops), (self.looks * (hops + 1.0).sqrt()).floor())
            point, radius = looks.around(fine, coarse), border.high
            if some_hop:
                put(point, hopping, torch.addcmul(looks.edge, slope, per_sample(length, x)))
            point.clamp_(0.0, 1.0)
            if some_narrow:
                radius = border.middle
                put(point, narrowing, border.at(radius))
            wrong = yield point

            done = looks.learn(point, wrong)
            moved = some(done) or some_hop or some_narrow
            if some_hop:
                landed = hopping & (wrong | (length < border.high * 0.5**_HALVINGS))
                length = torch.where(hopping, 0.5 * length, length)
                border.adopt(hopping & wrong, point)
                hopping = hopping & ~landed
            if some(done):
                put(slope, done, _unit(looks.slopes(), border.norm))
                hops = hops + done
                length = torch.where(done, border.high / hops.clamp_min(1.0).sqrt(), length)
                looking, hopping = looking & ~done, hopping | done
            if some_narrow:
                border.halve(radius, wrong, narrowing)
                ready = narrowing & border.found & (border.high - border.low <= narrow * border.high)
                looks.begin(ready)
                looking = looking | ready


def _unit(direction: Tensor, norm: Norm) -> Tensor:
    """The change of size 1 that goes furthest along directions, `(N, …)`."""
    if norm is Norm.LINF:
        return direction.sign()
    return direction / per_sample(size(direction, norm).clamp_min(1e-30), direction)
