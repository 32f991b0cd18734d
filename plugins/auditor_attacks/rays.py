"""RayS: Chen & Gu, arXiv:2006.12792."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.types import Norm
from auditor_attacks._border import Border, BorderAttack, Search, some

if TYPE_CHECKING:
    from auditor.rng import Rng


@dataclass(frozen=True, kw_only=True)
class RayS(BorderAttack):
    """Looks among the corners of the linf ball: flips the signs of ever smaller blocks where that comes nearer.

    Blocks are halves of the entries in their order, quarters, and at last single entries; then it begins anew, with
    the blocks shifted. A flip that comes nearer is followed up in strides that grow, then by halving.

    Finds: linf examples by labels alone, on models whose gradients are masked too.
    Blind to: examples that are no corners of a ball; with few queries, changes of fine grain.
    Cost: `queries` forward passes.
    Use it when: the model gives labels only and the norm is linf.
    """

    name: ClassVar[str] = "rays"
    paper: ClassVar[str] = "arXiv:2006.12792"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF})
    corners: ClassVar[bool] = True

    def along(self, border: Border, rng: Rng) -> Search:
        x = border.x
        entries = x[0].numel()
        levels = (entries - 1).bit_length() + 1
        place = torch.arange(entries, device=x.device, dtype=torch.int32)
        level, block, shift = (torch.zeros(len(x), device=x.device, dtype=torch.int32) for _ in range(3))
        trying = torch.zeros_like(border.found)
        stride = border.high.clone()
        moved = True
        for turn in itertools.count():
            if moved:
                length = -(-entries // (1 << level))
                blocks = (place - shift[:, None]).remainder_(entries).floor_divide_(length[:, None])
            # Those that try nothing have no block to flip.
            flips = blocks == block.masked_fill(~trying, -1)[:, None]
            flipped = torch.where(flips.view_as(x), 1.0 - border.far, border.far)
            fine = border.high * min(0.25 / entries, 0.0025)
            striding = ~trying & (stride > 0.0)
            radius = torch.where(striding, border.high - stride, border.middle)
            radius = torch.where(trying, border.high - fine, radius).clamp_min(0.0)
            wrong = yield border.on_the_way(flipped, radius, border.reach)

            border.adopt(trying & wrong, flipped, radius)
            border.halve(radius, wrong, ~trying)
            stride = torch.where(wrong, 4.0 * stride, 0.0)
            # Past the last block of a level the next one begins, and past the last level the first, elsewhere.
            block = block + trying.int()
            over = block * length >= entries
            if moved := some(over):
                block, level = block.masked_fill(over, 0), level + over.int()
                again = level >= levels
                level = level.masked_fill(again, 0)
                elsewhere = rng.at(torch.full(again.shape, turn, device=x.device)).integers(entries)
                shift = torch.where(again, elsewhere.int(), shift)
            begins = trying & wrong
            stride = torch.where(begins, fine * 4.0, stride)
            settled = ~trying & (stride == 0.0) & (border.high - border.low <= fine)
            trying = (trying & ~wrong) | settled | ~border.found
