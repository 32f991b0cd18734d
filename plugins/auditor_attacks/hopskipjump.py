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
from auditor_attacks._border import Border, BorderAttack, Search, noise, size, some

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
        none = torch.zeros_like(border.found)
        # Every sample narrows down its border, measures the slope there, hops off along it, and begins anew.
        looking, hopping = none, none
        edge, slope = border.edge, torch.zeros_like(x)
        total, on_wrong = torch.zeros_like(x), torch.zeros_like(x)
        length, seen, wrongs, hops = (torch.zeros_like(border.high) for _ in range(4))
        root = math.sqrt(x[0].numel())
        span = _SMALL / (root if border.norm is Norm.L2 else 1.0)
        while True:
            narrowing = ~(looking | hopping)
            point = noise(rng, x, self.grain, 1.0 / (1.0 + hops)).mul_(per_sample(span * border.high, x))
            put(point, hopping, slope * per_sample(length, x))
            point.add_(edge).clamp_(0.0, 1.0)
            radius = border.middle
            if some(narrowing):
                put(point, narrowing, border.at(radius))
            wrong = yield point

            change, looked = point - edge, looking.to(x.dtype)
            looked_wrong = looked * wrong
            total.addcmul_(per_sample(looked, x), change)
            on_wrong.addcmul_(per_sample(looked_wrong, x), change)
            seen, wrongs = seen + looked, wrongs + looked_wrong
            done = looking & (seen >= (self.looks * (hops + 1.0).sqrt()).floor())

            if some(hopping):
                landed = hopping & (wrong | (length < border.high * 0.5**_HALVINGS))
                length = torch.where(hopping, 0.5 * length, length)
                border.adopt(hopping & wrong, point)
                hopping = hopping & ~landed
            if some(done):
                direction = on_wrong - per_sample(wrongs / seen.clamp_min(1.0), x) * total
                put(slope, done, _unit(direction, border.norm))
                hops = hops + done
                length = torch.where(done, border.high / hops.clamp_min(1.0).sqrt(), length)
                looking, hopping = looking & ~done, hopping | done
            if some(narrowing):
                border.halve(radius, wrong, narrowing)
                narrow = narrowing & border.found & (border.high - border.low <= _SMALL / root * border.high)
                put(edge, narrow, border.edge)
                total.masked_fill_(per_sample(narrow, x), 0.0)
                on_wrong.masked_fill_(per_sample(narrow, x), 0.0)
                seen, wrongs = seen.masked_fill(narrow, 0.0), wrongs.masked_fill(narrow, 0.0)
                looking = looking | narrow


def _unit(direction: Tensor, norm: Norm) -> Tensor:
    """The change of size 1 that goes furthest along directions, `(N, …)`."""
    if norm is Norm.LINF:
        return direction.sign()
    return direction / per_sample(size(direction, norm).clamp_min(1e-30), direction)
