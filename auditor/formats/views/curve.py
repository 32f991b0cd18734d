"""Robust accuracy over the budget, from the budgets that were attacked and from the sizes of what was found.

Where the smallest changes were looked for, their sizes are the curve, measured at every budget.

Elsewhere, each counted example of size d shows that its sample falls at every budget of d or more. The share of samples
that nothing of size r or less was found for is therefore an upper bound on robust accuracy at r. It is loose below the
budgets that were attacked: attacks use the whole budget that they are given, and do not look for the smallest change.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from auditor.result.measures import SmallestResult
from auditor.result.record import ModelResult
from auditor.result.samples_csv import Row
from auditor.result.statistics import Interval, wilson

_COLUMNS = 256


@dataclass(frozen=True)
class Point:
    """A budget that was attacked; eps 0 is clean accuracy. Where some samples were not evaluated, `share` is what is
    not shown to be broken."""

    eps: float
    share: float
    interval: Interval
    not_evaluated: int = 0


@dataclass(frozen=True)
class Curve:
    """One model and norm."""

    norm: str
    points: tuple[Point, ...]
    bound: tuple[tuple[float, float], ...]
    """`(radius, share)`: from this radius on, at most this share is robust. Descending; empty where nothing fell, and
    where the smallest changes were looked for, which are the better bound."""
    smallest: SmallestResult | None = None
    proven: tuple[tuple[float, float], ...] = ()
    """`(radius, share)`, ascending: below this radius at least this share is robust. Empty where nothing was proven."""


def curves(
    model: ModelResult, rows: Mapping[tuple[str, float], Sequence[Row]], n: int, confidence: float
) -> tuple[Curve, ...]:
    """A curve for each norm, in the order of the record; `rows` by norm and eps; `n` samples in all."""
    if model.clean_accuracy is None or n == 0:
        return ()
    norms = dict.fromkeys(threat.norm for threat in model.threats)
    return tuple(_curve(model, norm, rows, n, confidence) for norm in norms)


def _curve(
    model: ModelResult, norm: str, rows: Mapping[tuple[str, float], Sequence[Row]], n: int, confidence: float
) -> Curve:
    assert model.clean_accuracy is not None
    clean = model.clean_interval or wilson(round(model.clean_accuracy * n), n, confidence)
    points = [Point(0.0, model.clean_accuracy, clean)]
    threats = sorted((t for t in model.threats if t.norm == norm and not t.minimal), key=lambda t: t.eps)
    for threat in threats:
        share = threat.share
        bounds = threat.interval or wilson(round(share * n), n, confidence)
        points.append(Point(threat.eps, share, bounds, threat.unknown))
    certificate = model.certificate if model.certificate and model.certificate.norm == norm else None
    proven = tuple((radius, share) for radius, share, _, _ in certificate.curve) if certificate else ()
    found = next((t.smallest for t in model.threats if t.norm == norm and t.smallest is not None), None)
    if found is not None:
        return Curve(norm, tuple(points), (), found, proven)
    sizes = smallest_sizes([row for t in threats for row in rows.get((norm, t.eps), ())])
    right = round(model.clean_accuracy * n)
    upper = bound(sizes, right, n, points[-1].eps, whole=norm == "l0")
    return Curve(norm, tuple(points), upper, proven=proven)


def smallest_sizes(rows: Sequence[Row]) -> list[float]:
    """For each broken sample the size of the smallest example that was found, ascending.

    Sizes never exceed the budget: what rounding lets stand out by a hair counts as the budget.
    """
    smallest: dict[int, float] = {}
    for row in rows:
        if row.outcome == "broken" and row.distance is not None:
            size = min(row.distance, row.eps)
            smallest[row.index] = min(size, smallest.get(row.index, math.inf))
    return sorted(smallest.values())


def bound(
    sizes: Sequence[float], right: int, n: int, largest: float, *, whole: bool = False
) -> tuple[tuple[float, float], ...]:
    """Steps `(radius, share)` down from `right` of `n` samples, one wherever a size of the ascending `sizes` lies.

    Radii are rounded up to a 256th of `largest`, or to a `whole` number of about that size, which moves no step to
    where it would claim more than was found.
    """
    if not sizes or largest <= 0.0:
        return ()
    cell = math.ceil(largest / _COLUMNS) if whole else largest / _COLUMNS
    # A size that is a multiple of the cell up to rounding belongs to that cell, not to the next.
    fallen = Counter(math.ceil(size / cell - 1e-6) for size in sizes)
    columns = sorted(fallen)
    totals = accumulate(fallen[column] for column in columns)
    return tuple((column * cell, (right - total) / n) for column, total in zip(columns, totals, strict=True))
