"""Bars of colour over whole columns, kept where they help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor import Access, Attack, Norm, Passes, margins, parameter

if TYPE_CHECKING:
    from torch import Tensor

    from auditor import Rng, Threat, View


@dataclass(frozen=True, kw_only=True)
class Bars(Attack):
    """Moves columns of pixels to the edges of the budget, one after the other, and keeps what raises the margin.

    Finds: models that lean on thin upright structure, also without gradients.
    Blind to: whatever is no bar.
    Cost: `queries` forward passes, and one more.
    """

    name: ClassVar[str] = "bars"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF})
    access: ClassVar[Access] = Access.SCORES
    images_only: ClassVar[bool] = True

    queries: int = parameter(200, help="questions in all", low=1, high=100_000)

    def passes(self, num_classes: int) -> Passes:
        return Passes(forwards=self.queries + 1)

    def perturb(self, target: View, x: Tensor, y: Tensor, threat: Threat, rng: Rng) -> Tensor:
        channels, width = x.shape[1], x.shape[3]
        columns = torch.arange(width, device=x.device)
        best = threat.project(x + threat.eps * rng.signs(channels, 1, width), x)
        margin = margins(target.logits(best), y)
        for _ in range(self.queries - 1):
            bar = columns == rng.integers(width, 1, 1, 1)
            candidate = torch.where(bar, threat.project(x + threat.eps * rng.signs(channels, 1, 1), x), best)
            found = margins(target.logits(candidate), y)
            better = found > margin
            best = torch.where(better.view(-1, 1, 1, 1), candidate, best)
            margin = torch.where(better, found, margin)
        return best
