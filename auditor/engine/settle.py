"""The last step of every search for a smallest change: along the line to the sample, on the deployed model itself.

Attacks end a little beyond the boundary, and the twin's boundary is not quite the deployed model's. So what fools the
twin alone is drawn out until it fools the deployed model, and the rest is drawn in as long as it does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from auditor.norms import per_sample
from auditor.types import Norm

if TYPE_CHECKING:
    from auditor.engine.ledger import Ledger
    from auditor.target.base import Target

_DRAWN_OUT = (1.0001, 1.0004, 1.0016, 1.0064, 1.025, 1.1)
_FIRST = 0.98
"""Attacks that searched the line themselves are rarely further from the boundary than this."""
_EXACT = 0.005
"""Share of its size to which an example is brought to the boundary."""
_HALVINGS = 14


def settle(target: Target, ledger: Ledger) -> None:
    """Move the examples that were found to where the deployed model's boundary lies; a few passes each, counted."""
    rows = ledger.found.nonzero().squeeze(1)
    if not len(rows):
        return
    line = _Line(target, ledger, rows)
    scale = torch.ones(len(rows), device=rows.device)
    fooled = line.fools(torch.arange(len(rows), device=rows.device), scale)
    out = (~fooled).nonzero().squeeze(1)
    for factor in _DRAWN_OUT:
        if not len(out):
            break
        scale[out] = factor
        out = out[~line.fools(out, scale[out])]
    # Fewer entries are not had by making all of them smaller, and of a corruption there is no half.
    if ledger.threat.norm not in (Norm.L0, Norm.CORRUPTION):
        _draw_in(line, scale, fooled.nonzero().squeeze(1))
    points = line.points(torch.arange(len(rows), device=rows.device), scale)
    ledger.best[rows] = points
    ledger.best_distance[rows] = ledger.threat.distance(points, ledger.origin[rows])


def _draw_in(line: _Line, scale: Tensor, rows: Tensor) -> None:
    """Bisect between a point that is right and one that fools, for `rows` of `scale`, in place."""
    everyone = rows
    if not len(rows):
        return
    low, high, middle = torch.zeros_like(scale), torch.ones_like(scale), torch.full_like(scale, _FIRST)
    for _ in range(_HALVINGS):
        fools = line.fools(rows, middle[rows])
        high[rows] = torch.where(fools, middle[rows], high[rows])
        low[rows] = torch.where(fools, low[rows], middle[rows])
        middle = (low + high) / 2.0
        rows = rows[(high - low > _EXACT * high)[rows]]
        if not len(rows):
            break
    scale[everyone] = high[everyone]


class _Line:
    """From each sample through its example: 0 is the sample, 1 the example."""

    def __init__(self, target: Target, ledger: Ledger, rows: Tensor) -> None:
        self._target, self._ledger, self._rows = target, ledger, rows
        self._origin = ledger.origin[rows]
        self._change = ledger.best[rows] - self._origin

    def points(self, at: Tensor, scale: Tensor) -> Tensor:
        threat, origin = self._ledger.threat, self._origin[at]
        moved = threat.project(origin + per_sample(scale, origin) * self._change[at], origin)
        # What was not moved is the example itself, to the last bit.
        return torch.where(per_sample(scale == 1.0, origin), self._ledger.best[self._rows[at]], moved)

    def fools(self, at: Tensor, scale: Tensor) -> Tensor:
        rows = self._rows[at]
        self._ledger.asked[rows] += 1
        images = self._ledger.rendered(rows, self.points(at, scale))
        aims = self._ledger.aims[rows]
        return aims.reached(self._target.judged(images, aims.y))
