"""A patch by random search: Patch-RS of Croce et al., Sparse-RS, arXiv:2006.12834."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.attack import Attack, Passes
from auditor.engine.ledger import margins
from auditor.parameters import parameter
from auditor.spaces import patch_side, square_at
from auditor.types import Access, Norm
from auditor_attacks._patches import corners, put

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat


@dataclass(frozen=True, kw_only=True)
class PatchRS(Attack):
    """Moves a square of coloured blocks about each picture and repaints parts of it, keeping what helps.

    Finds: patches where gradients are masked or not to be had.
    Blind to: fine textures, which blocks of one colour cannot show.
    Cost: `queries` forward passes.
    Use it when: a model gives scores only, or `patch-pgd` finds suspiciously little.
    """

    name: ClassVar[str] = "patch-rs"
    paper: ClassVar[str] = "arXiv:2006.12834"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.PATCH})
    access: ClassVar[Access] = Access.SCORES
    images_only: ClassVar[bool] = True

    queries: int = parameter(1000, help="queries for each sample", low=2, high=1_000_000)
    moves: float = parameter(
        0.25, help="share of the queries that move the patch and leave it as it is", low=0.0, high=1.0
    )

    def passes(self, num_classes: int) -> Passes:
        return Passes(forwards=self.queries + 1)

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        height, width = x.shape[2:]
        side = patch_side(threat.eps, height, width)
        # Blocks of full colours to begin with, as in the paper.
        paint = rng.integers(2, x.shape[1], side, side).to(x.dtype)
        top, left = corners(x, side, rng)
        best = torch.full((len(x),), -torch.inf, device=x.device)
        for query in range(self.queries):
            left_over = 1.0 - query / self.queries
            tried, tried_top, tried_left = paint, top, left
            if query and int(query * self.moves) > int((query - 1) * self.moves):
                reach = max(1, round(max(height, width) * left_over / 2))
                tried_top = (top + rng.integers(2 * reach + 1) - reach).clamp(0, height - side)
                tried_left = (left + rng.integers(2 * reach + 1) - reach).clamp(0, width - side)
            elif query:
                tried = _repainted(paint, max(1, round(side * 0.6 * left_over**1.5)), rng)
            margin = margins(target.logits(put(tried, x, tried_top, tried_left)), y)
            better = margin > best
            best = torch.where(better, margin, best)
            top, left = torch.where(better, tried_top, top), torch.where(better, tried_left, left)
            paint = torch.where(better.view(-1, 1, 1, 1), tried, paint)
        return put(paint, x, top, left)


def _repainted(paint: Tensor, part: int, rng: Rng) -> Tensor:
    """The patch with a square of it in one new colour."""
    side = paint.shape[-1]
    where = square_at(rng.integers(side - part + 1), rng.integers(side - part + 1), part, side, side)
    return torch.where(where, rng.integers(2, paint.shape[1]).to(paint.dtype)[:, :, None, None], paint)
