"""Sparse-RS: Croce, Andriushchenko, Singh, Flammarion & Hein, arXiv:2006.12834."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.attack import Passes
from auditor.lanes import LaneAttack, Lanes
from auditor.parameters import parameter
from auditor.types import Access, Norm
from auditor_attacks._marks import Marks, Surface

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import Gradient, View
    from auditor.types import Threat

# Of 10,000 queries the first, and what the share of the marks that moves is divided by from there on.
_DIVISORS = ((1, 2), (51, 4), (201, 5), (501, 6), (1001, 8), (2001, 10), (4001, 12), (6001, 15), (8001, 20))


@dataclass(kw_only=True)
class Scatter(Lanes):
    """The state of a search: the best marks, their margin, and the marks that are asked about now; see `Marks`."""

    places: Tensor
    colours: Tensor
    value: Tensor
    tried_places: Tensor
    tried_colours: Tensor


@dataclass(frozen=True, kw_only=True)
class SparseRS(LaneAttack):
    """Marks random entries of every sample black or white, moves some marks, and keeps what lowers the margin.

    The whole budget is spent at every query; the share of the marks that moves falls, as the paper says.

    Finds: models that a few entries fool, with gradients or without.
    Blind to: entries that must be neither black nor white, and many that work together only.
    Cost: `queries` forward passes.
    Use it when: the budget is a number of entries.
    """

    name: ClassVar[str] = "sparse-rs"
    paper: ClassVar[str] = "arXiv:2006.12834"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.L0})
    access: ClassVar[Access] = Access.SCORES

    queries: int = parameter(5000, help="questions asked per sample", low=1, high=10_000_000)
    unit: str = parameter("entry", help="what a mark covers: one entry, or all channels", choices=("entry", "pixel"))
    alpha: float = parameter(0.3, help="share of the marks that the first query moves", low=0.0, high=1.0)

    def passes(self, num_classes: int) -> Passes:
        return Passes(forwards=self.queries)

    def asks(self, num_classes: int) -> tuple[int, int]:
        return 1, self.queries - 1

    def begin(self, target: View, begun: Lanes, threat: Threat, earlier: Scatter | None) -> Scatter:
        surface = Surface.of(begun.x, self.unit)
        places, colours = marks = surface.marked(surface.affordable(threat.eps), begun.rng.fork("marks"))
        begun.point = surface.painted(marks)
        return Scatter.of(
            begun,
            places=places,
            colours=colours,
            value=torch.full_like(begun.margin, -torch.inf),
            tried_places=places,
            tried_colours=colours,
        )

    def advance(self, lanes: Scatter, answer: Gradient, threat: Threat) -> None:
        margin = answer.margin
        better = margin > lanes.value
        lanes.value = torch.where(better, margin, lanes.value)
        lanes.places = torch.where(better[:, None], lanes.tried_places, lanes.places)
        lanes.colours = torch.where(better[:, None, None], lanes.tried_colours, lanes.colours)
        surface, best = Surface.of(lanes.x, self.unit), Marks(lanes.places, lanes.colours)
        count = (self._shares(lanes.step + 1) * lanes.places.shape[1]).long().clamp_min_(1)
        tried = surface.moved(best, count, lanes.rng.at(lanes.step))
        lanes.tried_places, lanes.tried_colours = tried
        lanes.point = surface.painted(tried)

    def _shares(self, query: Tensor) -> Tensor:
        """Share of the marks to move at these queries; the schedule is stretched over the queries there are."""
        first, divisors = torch.tensor(((0, 1), *_DIVISORS), device=query.device).T
        at = (10_000 * query[:, None] >= first * self.queries).sum(1) - 1
        shares: Tensor = self.alpha / divisors[at]
        return shares
