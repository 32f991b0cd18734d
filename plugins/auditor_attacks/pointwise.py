"""Pointwise attack: Schott, Rauber, Bethge & Brendel, arXiv:1805.09190."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.attack import Attack, Passes
from auditor.lanes import put
from auditor.norms import per_sample
from auditor.parameters import parameter
from auditor.types import Access, Norm
from auditor_attacks._border import STARTS, Search, asked, candidate

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat


@dataclass(frozen=True, kw_only=True)
class Pointwise(Attack):
    """Takes an image that the model gets wrong and resets its entries to the sample's, as many as it stays wrong with.

    Entries are reset in groups, which double where that succeeds and halve where it fails. Where every entry left has
    been tried, a few others are set to black or white and the older ones are tried again.

    Finds: how few entries decide, by labels alone.
    Blind to: sets of entries that matter only together; it keeps what it happens to try last.
    Cost: `queries` forward passes.
    Use it when: the model gives labels only and the norm is l0.
    """

    name: ClassVar[str] = "pointwise"
    paper: ClassVar[str] = "arXiv:1805.09190"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.L0})
    access: ClassVar[Access] = Access.LABELS
    minimal: ClassVar[bool] = True

    queries: int = parameter(5000, help="questions asked per sample", low=1, high=10_000_000)
    fresh: float = parameter(0.3, help="entries set anew, as a share of those left", low=0.0, high=10.0)

    def passes(self, num_classes: int) -> Passes:
        return Passes(forwards=self.queries)

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        nearest = x.clone()
        asked(self._search(x, nearest, target, threat, rng), target, y, self.queries)
        return threat.project(nearest, x)

    def _search(self, x: Images, nearest: Images, target: View, threat: Threat, rng: Rng) -> Search:
        """Looks for the images with the fewest changed entries and keeps them in `nearest`."""
        found = torch.zeros(len(x), dtype=torch.bool, device=x.device)
        starts = rng.fork("starts")
        for turn in range(-1 if threat.minimal else 0, STARTS):
            start = target.nearest if turn < 0 else (candidate(x, starts, turn) > 0.5).to(x.dtype)
            wrong = (yield torch.where(per_sample(found, x), nearest, start)) & ~found
            put(nearest, wrong, start)
            found = found | wrong
        # From here on the entries of every sample are a row, in an order of its own.
        order = rng.fork("order").uniform(x[0].numel()).argsort(1)
        back = order.argsort(1)
        clean, best = x.flatten(1).gather(1, order), nearest.flatten(1).gather(1, order)
        fewest = torch.where(found, (best != clean).sum(1), x[0].numel() + 1)
        image, older = best.clone(), torch.ones_like(best, dtype=torch.bool)
        # Of the changed entries `kept` were tried and stay, the next `group` are tried, those set last at last.
        kept, group = torch.zeros_like(fewest), torch.ones_like(fewest)
        setting = ~found
        rng = rng.fork("fresh")
        while True:
            changed = image != clean
            rank = _ranks(changed, older)
            reset = changed & (rank > kept[:, None]) & (rank <= (kept + group)[:, None])
            union = self._with_fresh(image, changed, found, rng)
            point = torch.where(setting[:, None], union, torch.where(reset, clean, image))
            wrong = yield point.gather(1, back).view_as(x)
            found = found | wrong

            older = torch.where((setting & wrong)[:, None], changed, older)
            put(image, wrong, point)
            kept = torch.where(setting, 0, kept + (~wrong & (group == 1)))
            group = torch.where(wrong, 2 * group, group // 2).clamp_min(1).masked_fill(setting, 1)
            left = (image != clean).sum(1)
            setting = setting & ~wrong
            over = ~setting & (kept >= left)
            better = over & (left <= fewest)
            put(best, better, image)
            put(nearest, better, image.gather(1, back).view_as(x))
            fewest = torch.where(better, left, fewest)
            put(image, over & ~better, best)
            setting = setting | over

    def _with_fresh(self, image: Tensor, changed: Tensor, found: Tensor, rng: Rng) -> Tensor:
        """Images, `(N, D)`, with a few entries set to black or white, or all where nothing wrong is known yet."""
        entries = image.shape[1]
        share = (self.fresh * changed.sum(1, keepdim=True)).clamp_min(1.0) / entries
        share = torch.where(found[:, None], share, 1.0)
        dealt = rng.uniform(entries)
        return torch.where(dealt < share, (dealt < 0.5 * share).to(image.dtype), image)


def _ranks(changed: Tensor, older: Tensor) -> Tensor:
    """Of the changed entries, `(N, D)`, which come first: 1, 2, … for the older ones, then the others."""
    first = (changed & older).cumsum(1)
    return torch.where(older, first, first[:, -1:] + (changed & ~older).cumsum(1))
