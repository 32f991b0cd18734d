"""HopSkipJump: Chen, Jordan & Wainwright, arXiv:1904.02144."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.norms import per_sample
from auditor.parameters import parameter
from auditor.types import Norm
from auditor_attacks._border import Border, BorderAttack, Search, noise, size

if TYPE_CHECKING:
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
        x, norm = border.x, border.norm
        root = math.sqrt(x[0].numel())
        none = torch.zeros_like(border.found)
        # Every sample narrows down its border, measures the slope there, hops off along it, and begins anew.
        looking, hopping = none, none
        edge, slope = border.edge, torch.zeros_like(x)
        total, on_wrong = torch.zeros_like(x), torch.zeros_like(x)
        length, seen, wrongs, hops = (torch.zeros_like(border.high) for _ in range(4))
        while True:
            radius = border.middle
            narrowing = ~(looking | hopping)
            step = noise(rng, x, self.grain, 1.0 / (1.0 + hops)).mul_(
                per_sample(_SMALL * border.high / (root if norm is Norm.L2 else 1.0), x)
            )
            step = torch.where(per_sample(hopping, x), slope * per_sample(length, x), step)
            point = torch.where(per_sample(narrowing, x), border.at(radius), (edge + step).clamp_(0.0, 1.0))
            wrong = yield point

            border.halve(radius, wrong, narrowing)
            measured = per_sample(looking.to(x.dtype), x) * (point - edge)
            total += measured
            on_wrong += per_sample(wrong.to(x.dtype), x) * measured
            seen, wrongs = seen + looking, wrongs + (looking & wrong)

            landed = hopping & (wrong | (length < border.high * 0.5**_HALVINGS))
            length = torch.where(hopping, 0.5 * length, length)
            border.adopt(hopping & wrong, point)

            done = looking & (seen >= (self.looks * (hops + 1.0).sqrt()).floor())
            direction = on_wrong - per_sample(wrongs / seen.clamp_min(1.0), x) * total
            direction = (
                direction.sign()
                if norm is Norm.LINF
                else direction / per_sample(size(direction, norm).clamp_min(1e-30), x)
            )
            slope = torch.where(per_sample(done, x), direction, slope)
            hops = hops + done
            length = torch.where(done, border.high / hops.clamp_min(1.0).sqrt(), length)

            narrow = narrowing & border.found & (border.high - border.low <= _SMALL / root * border.high)
            edge = torch.where(per_sample(narrow, x), border.edge, edge)
            fresh = per_sample(narrow, x)
            total, on_wrong = total.masked_fill(fresh, 0.0), on_wrong.masked_fill(fresh, 0.0)
            seen, wrongs = seen.masked_fill(narrow, 0.0), wrongs.masked_fill(narrow, 0.0)
            looking = (looking & ~done) | narrow
            hopping = (hopping & ~landed) | done
