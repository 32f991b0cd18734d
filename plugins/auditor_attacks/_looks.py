"""Slopes of a border, estimated from random looks to both of its sides: Chen, Jordan & Wainwright, arXiv:1904.02144."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from auditor.lanes import put
from auditor.norms import per_sample
from auditor_attacks._grain import grains

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.types import Images
    from auditor_attacks._border import Border


class Looks:
    """Looks around the points `edge`, `(N, …)`, and what they tell, each sample's for itself.

    Almost all questions are such looks. Beside a small network every operation costs as much as a layer, so that what
    stays from look to look is kept.
    """

    def __init__(self, border: Border, span: float, grain: int) -> None:
        """`span`: how far off they look, per entry, as a share of the distance to the sample."""
        x = border.x
        self._border, self._span, self._coarser = border, span, grains(x, grain) - 1
        self.edge = border.edge
        self._total, self._on_wrong = torch.zeros_like(x), torch.zeros_like(x)
        self._seen, self._wrongs = torch.zeros_like(border.high), torch.zeros_like(border.high)

    def begin(self, rows: Tensor) -> None:
        """Forget in the rows, `(N,)` bool, what was seen, and look around where the border is known to be now."""
        put(self.edge, rows, self._border.edge)
        for sums in (self._total, self._on_wrong):
            sums.masked_fill_(per_sample(rows, sums), 0.0)
        self._seen, self._wrongs = self._seen.masked_fill(rows, 0.0), self._wrongs.masked_fill(rows, 0.0)

    def among(self, rows: Tensor, share: Tensor, wanted: Tensor) -> None:
        """From here on those of the rows count, until so many are `wanted`; coarse noise has this `share` of fine."""
        self._rows, self._wanted, self._counted = rows, wanted, rows.to(self._seen.dtype)
        fine = self._span * self._border.high * (1.0 + self._coarser * share.square()).rsqrt()
        self._fine, self._coarse = per_sample(fine, self.edge), per_sample(share * fine, self.edge)

    def around(self, fine: Images, coarse: Images) -> Images:
        """Where to look, given noise, `(N, …)` each; not in the box yet."""
        return torch.addcmul(self.edge, fine, self._fine).addcmul_(coarse, self._coarse)

    def learn(self, point: Images, wrong: Tensor) -> Tensor:
        """Take answers, `(N,)` bool, into account; which rows have seen enough now, `(N,)` bool."""
        change, wrongs = point - self.edge, self._counted * wrong
        self._total.addcmul_(per_sample(self._counted, change), change)
        self._on_wrong.addcmul_(per_sample(wrongs, change), change)
        self._seen, self._wrongs = self._seen + self._counted, self._wrongs + wrongs
        return self._rows & (self._seen >= self._wanted)

    def slopes(self) -> Tensor:
        """Where points become wrong, `(N, …)` of any length: the wrong looks, less what all have in common."""
        share = self._wrongs / self._seen.clamp_min(1.0)
        return self._on_wrong - per_sample(share, self._total) * self._total
