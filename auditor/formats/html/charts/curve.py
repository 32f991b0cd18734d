"""The robustness curve: accuracy over the budget, for one model or for several."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

from auditor.formats import words
from auditor.formats.views.curve import Curve, Point

HEIGHT = 240
WIDTH = 1000
"""The drawing area's own width; it is stretched to the page's."""
_ROOM = 14.0
"""Labels stand at least so far apart, in percent of the width: on a phone that is about 45 pixels."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A budget that was attacked."""

    x: Annotated[float, "In percent of the width."]
    y: Annotated[float, "In pixels."]
    top: Annotated[float, "Upper end of the interval, in pixels."]
    bottom: Annotated[float, "Lower end of the interval, in pixels."]
    label: Annotated[str, "The accuracy as text; empty where there is no room for it."]
    anchor: Annotated[str, "How the label is anchored: `start`, `middle` or `end`."]
    label_y: Annotated[float, "Where the label stands, in pixels."]
    open: Annotated[bool, "Whether some samples were not evaluated."]
    row: Annotated[tuple[str, str, str], "Budget, accuracy and interval, for the table."]


@dataclass(frozen=True, kw_only=True)
class Series:
    """One model's curve."""

    name: Annotated[str, "The model."]
    number: Annotated[int, "From 0; decides shape, dash and colour."]
    marks: Annotated[tuple[Mark, ...], "Clean accuracy first, then each budget in ascending order."]
    line: Annotated[str, "Path through the marks."]
    band: Annotated[str, "Path around the intervals; empty where several models share the chart."]
    bound: Annotated[str, "Path of what the sizes of the examples found allow; empty where it is not drawn."]


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A budget on the axis."""

    x: Annotated[float, "In percent of the width."]
    label: Annotated[str, "The budget as text; empty where there is no room for it."]
    anchor: Annotated[str, "How the label is anchored."]


@dataclass(frozen=True, kw_only=True)
class CurveChart:
    """One norm."""

    norm: Annotated[str, "The norm."]
    title: Annotated[str, "What the chart shows, in a line."]
    description: Annotated[str, "The same as sentences with the numbers."]
    series: Annotated[tuple[Series, ...], "One or several models."]
    ticks: Annotated[tuple[Tick, ...], "Budgets on the axis."]
    budgets: Annotated[int, "How many budgets were attacked."]


def curve_chart(named: Sequence[tuple[str, Curve]], title: str) -> CurveChart:
    """The chart of curves of one norm; the band and the bound are drawn where there is one curve only."""
    largest = max(point.eps for _, curve in named for point in curve.points) or 1.0
    alone = len(named) == 1
    series = tuple(_series(name, number, curve, largest, alone=alone) for number, (name, curve) in enumerate(named))
    budgets = sorted({point.eps for _, curve in named for point in curve.points})
    norm = named[0][1].norm
    spoken = " ".join(f"{s.name}: {', '.join(f'{b} {share}' for b, share, _ in _rows(s))}." for s in series)
    return CurveChart(
        norm=norm,
        title=title,
        description=f"{title}. {spoken}",
        series=series,
        ticks=_ticks(norm, budgets, largest),
        budgets=len(budgets) - 1,
    )


def _rows(series: Series) -> Iterable[tuple[str, str, str]]:
    return (mark.row for mark in series.marks)


def _series(name: str, number: int, curve: Curve, largest: float, *, alone: bool) -> Series:
    labelled = _spaced([100 * point.eps / largest for point in curve.points]) if alone else set()
    marks = [_mark(curve, point, largest, position in labelled) for position, point in enumerate(curve.points)]
    line = "M" + " L".join(f"{10 * m.x:.1f} {m.y:.1f}" for m in marks)
    return Series(
        name=name,
        number=number,
        marks=tuple(marks),
        line=line,
        band=_band(marks) if alone else "",
        bound=_bound(curve, largest) if alone else "",
    )


def _mark(curve: Curve, point: Point, largest: float, labelled: bool) -> Mark:
    x, y = 100 * point.eps / largest, _y(point.share)
    text = words.percent(point.share)
    shown = f"≤ {text}" if point.not_evaluated else text
    budget = "clean" if point.eps == 0.0 else words.budget(curve.norm, point.eps)
    top, bottom = _y(point.interval[1]), _y(point.interval[0])
    return Mark(
        x=x,
        y=y,
        top=top,
        bottom=bottom,
        label=shown if labelled else "",
        anchor=_anchor(x),
        label_y=top - 8,
        open=bool(point.not_evaluated),
        row=(budget, shown, words.interval(point.interval)),
    )


def _y(share: float) -> float:
    return HEIGHT * (1.0 - share)


def _anchor(x: float) -> str:
    return "start" if x < 4 else "end" if x > 96 else "middle"


def _band(marks: Sequence[Mark]) -> str:
    there = [f"{10 * mark.x:.1f} {mark.top:.1f}" for mark in marks]
    back = [f"{10 * mark.x:.1f} {mark.bottom:.1f}" for mark in reversed(marks)]
    return f"M{' L'.join(there + back)} Z"


def _bound(curve: Curve, largest: float) -> str:
    if not curve.bound:
        return ""
    path = [f"M0 {_y(curve.points[0].share):.1f}"]
    path += [f"H{WIDTH * radius / largest:.1f} V{_y(share):.1f}" for radius, share in curve.bound]
    return " ".join([*path, f"H{WIDTH}"])


def _ticks(norm: str, budgets: Sequence[float], largest: float) -> tuple[Tick, ...]:
    places = [100 * eps / largest for eps in budgets]
    labelled = _spaced(places)
    return tuple(
        Tick(x=x, label=words.budget(norm, eps) if i in labelled and eps else "0" * (i == 0), anchor=_anchor(x))
        for i, (x, eps) in enumerate(zip(places, budgets, strict=True))
    )


def _spaced(places: Sequence[float]) -> set[int]:
    """Which of the ascending `places` can carry a label: the first, the last, and from the right what has room."""
    kept = {0, len(places) - 1}
    last = places[-1]
    for position in range(len(places) - 2, 0, -1):
        if last - places[position] >= _ROOM and places[position] - places[0] >= _ROOM:
            kept.add(position)
            last = places[position]
    return kept
