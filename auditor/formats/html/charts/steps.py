"""The curve of the smallest changes: measured at every budget, so drawn as the steps that it is."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from auditor.formats import words
from auditor.formats.html.charts.scale import WIDTH, anchor, y_of
from auditor.formats.views.curve import Curve
from auditor.result.statistics import Interval

_REACH = 4.0
"""A chart ends at so many times the budget at which half fall: a few samples that need far more do not squeeze it."""
_TICKS = 6
_ALIKE = 1e-9
_TOP, _LINE = -26, 16
"""Where the lower of two labels above the plot stands, and how far the other stands above it, in pixels."""


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """A budget at which half of some samples have fallen."""

    x: Annotated[float, "In percent of the width."]
    y: Annotated[float, "Where it meets the curve, in pixels."]
    low: Annotated[float, "Lower end of its interval, in percent of the width."]
    high: Annotated[float, "Upper end of its interval, in percent of the width; both are `x` where it has none."]
    label: Annotated[str, "What it is, with the budget."]
    anchor: Annotated[str, "How the label is anchored."]
    label_y: Annotated[int, "Where the label stands, in pixels."]


def reach(curve: Curve) -> float:
    """How far to the right a chart of this curve should go."""
    found = curve.smallest
    if found is None or not found.curve:
        return 0.0
    halves = [value for value in (found.median, found.half) if value]
    return min(found.curve[-1][0], _REACH * max(halves)) if halves else found.curve[-1][0]


def notes(name: str, curve: Curve, largest: float) -> Iterator[str]:
    """What a reader of the curve of a model, named where there are several, has to know: what lies beyond and below."""
    found, of = curve.smallest, f" of {name}" if name else ""
    if found is None or not found.curve:
        return
    last, share = found.curve[-1][:2]
    if last > largest:
        ends = f"at {words.budget(curve.norm, largest)}, where {words.percent(at(curve, largest)[0])} stand"
        most = words.budget(curve.norm, last) + (f", with {words.percent(share)} left" if share else "")
        yield f"The chart{of} ends {ends}; the largest change that was needed is {most}."
    if below := [point.eps for point in curve.points if point.share < at(curve, point.eps)[0] - _ALIKE]:
        budgets = ", ".join(words.budget(curve.norm, eps) for eps in below)
        yield f"At {budgets} the mark{of} lies below the curve: attacks that spend that budget found more."


def at(curve: Curve, eps: float) -> tuple[float, Interval]:
    """Robust accuracy at a budget, with its interval: that of the last step before it."""
    assert curve.smallest is not None
    steps = curve.smallest.curve
    if not steps:
        return curve.points[0].share, curve.points[0].interval
    _, share, low, high = steps[max(0, bisect.bisect_right([step[0] for step in steps], eps) - 1)]
    return share, (low, high)


def line(curve: Curve, largest: float) -> str:
    """The path of the curve, to the right end of the chart."""
    (_, first), *others = _places(curve, largest, 1)
    return " ".join([f"M0 {first:.1f}", *(f"H{x:.1f} V{y:.1f}" for x, y in others), f"H{WIDTH}"])


def band(curve: Curve, largest: float) -> str:
    """The path around the intervals: along their upper ends, and back along the lower ones."""
    lower = _places(curve, largest, 2)
    x, y = zip(*lower, strict=True)
    # Back from the right, a step is left at its own x for the level before it.
    back = [f"V{y[-1]:.1f}", *(f"H{x[i]:.1f} V{y[i - 1]:.1f}" for i in range(len(lower) - 1, 0, -1))]
    (_, first), *others = _places(curve, largest, 3)
    there = [f"M0 {first:.1f}", *(f"H{right:.1f} V{level:.1f}" for right, level in others), f"H{WIDTH}"]
    return " ".join([*there, *back, "H0 Z"])


def _places(curve: Curve, largest: float, column: int) -> list[tuple[float, float]]:
    """Where the steps that the chart holds lie; `column` of the record's curve is what is drawn."""
    assert curve.smallest is not None
    known = curve.smallest.curve or ((0.0, curve.points[0].share, *curve.points[0].interval),)
    return [(WIDTH * step[0] / largest, y_of(step[column])) for step in known if step[0] <= largest]


def crossings(curve: Curve, largest: float) -> tuple[Crossing, ...]:
    """Where half of the samples that are right, and half of all, have fallen; one mark where these are the same."""
    found = curve.smallest
    if found is None:
        return ()
    right = curve.points[0].share
    same = found.median is not None and found.half is not None and math.isclose(found.median, found.half, rel_tol=1e-3)
    made: list[Crossing] = []
    if found.median is not None:
        title = "median, and half of all" if same else "median"
        made.append(_crossing(curve, title, found.median, right / 2, largest, found.median_interval, _TOP))
    if found.half and not same:
        made.append(_crossing(curve, "half of all", found.half, 0.5, largest, (None, None), _TOP - _LINE * len(made)))
    return tuple(made)


def _crossing(
    curve: Curve,
    title: str,
    eps: float,
    share: float,
    largest: float,
    interval: tuple[float | None, float | None],
    label_y: int,
) -> Crossing:
    x = 100 * eps / largest
    low, high = (x if end is None else min(100.0, 100 * end / largest) for end in interval)
    return Crossing(
        x=x,
        y=y_of(share),
        low=low,
        high=high,
        label=f"{title} {words.budget(curve.norm, eps)}",
        anchor=anchor(x, 25.0),
        label_y=label_y,
    )


def round_budgets(norm: str, largest: float) -> list[float]:
    """Round numbers from 0 up to `largest`, a few."""
    rough = largest / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * power >= rough * (1.0 - 1e-9))
    if norm == "l0":
        step = max(1.0, float(math.ceil(step)))
    return [i * step for i in range(int(largest / step + 1e-9) + 1)]
