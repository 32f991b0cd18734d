"""The robustness curve: accuracy over the budget, for one model or for several.

Where the smallest changes were looked for, the curve is stepped and measured everywhere; see `steps`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from auditor.formats import words
from auditor.formats.html.charts import steps
from auditor.formats.html.charts.scale import WIDTH, anchor, spaced, y_of
from auditor.formats.views.curve import Curve, Point

Rows = tuple[tuple[str, str, str], ...]

_WIDE = 34.0
"""Room for labels that name their budget, as they do where the ticks do not; else see `scale.ROOM`."""


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


@dataclass(frozen=True, kw_only=True)
class Series:
    """One model's curve."""

    name: Annotated[str, "The model."]
    number: Annotated[int, "From 0; decides shape, dash and colour."]
    marks: Annotated[tuple[Mark, ...], "Clean accuracy first, then each budget in ascending order."]
    line: Annotated[str, "Path through the marks; stepped where the smallest changes were looked for."]
    band: Annotated[str, "Path around the intervals; empty where several models share the chart."]
    bound: Annotated[str, "Path of what the sizes of the examples found allow; empty where it is not drawn."]
    proven: Annotated[
        str, "Path of what is certified; empty where nothing is, and where several models share the chart."
    ]
    crossings: Annotated[tuple[steps.Crossing, ...], "Where half fall, in a stepped curve that stands alone."]
    rows: Annotated[Rows, "Budget, accuracy and interval, for the table."]


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A budget on the axis."""

    x: Annotated[float, "In percent of the width."]
    label: Annotated[str, "The budget as text; empty where there is no room for it."]
    anchor: Annotated[str, "How the label is anchored."]


@dataclass(frozen=True, kw_only=True)
class CurveChart:
    """One norm."""

    axis: Annotated[str, "What the axis says."]
    title: Annotated[str, "What the chart shows, in a line."]
    description: Annotated[str, "The same as sentences with the numbers."]
    series: Annotated[tuple[Series, ...], "One or several models."]
    ticks: Annotated[tuple[Tick, ...], "Budgets on the axis."]
    budgets: Annotated[int, "How many budgets were attacked."]
    stepped: Annotated[bool, "Whether the smallest changes were looked for: the curve is measured at every budget."]
    notes: Annotated[tuple[str, ...], "What lies to the right of a stepped curve or below it, a sentence each."]


def curve_chart(
    named: Sequence[tuple[str, Curve]], title: str, settings: Mapping[str, Any] | None = None
) -> CurveChart:
    """The chart of curves of one norm; the band and the bound are drawn where there is one curve only."""
    drawn = [curve for _, curve in named]
    largest = max(max(curve.points[-1].eps, steps.reach(curve)) for curve in drawn) or 1.0
    alone, norm = len(named) == 1, drawn[0].norm
    stepped = any(curve.smallest is not None for curve in drawn)
    budgets = sorted({point.eps for curve in drawn for point in curve.points})
    ticks = steps.round_budgets(norm, largest) if stepped else budgets
    series = tuple(
        _series(name, number, curve, largest, ticks, alone=alone) for number, (name, curve) in enumerate(named)
    )
    spoken = " ".join(f"{s.name}: {', '.join(f'{b} {share}' for b, share, _ in s.rows)}." for s in series)
    return CurveChart(
        axis=words.axis(norm, settings),
        title=title,
        description=f"{title}. {spoken}",
        series=series,
        ticks=_ticks(norm, ticks, largest),
        budgets=len(budgets) - 1,
        stepped=stepped,
        notes=tuple(note for name, curve in named for note in steps.notes("" if alone else name, curve, largest)),
    )


def _series(name: str, number: int, curve: Curve, largest: float, ticks: Sequence[float], *, alone: bool) -> Series:
    stepped = curve.smallest is not None
    places = [100 * point.eps / largest for point in curve.points]
    labelled = (spaced(places, _WIDE) if stepped else spaced(places)) if alone else set()
    marks = [_mark(curve, point, largest, position in labelled) for position, point in enumerate(curve.points)]
    band = steps.band(curve, largest) if stepped else _band(marks)
    return Series(
        name=name,
        number=number,
        marks=tuple(marks),
        line=steps.line(curve, largest) if stepped else "M" + " L".join(f"{10 * m.x:.1f} {m.y:.1f}" for m in marks),
        band=band if alone else "",
        bound=_bound(curve, largest) if alone else "",
        proven=_proven(curve, largest) if alone else "",
        crossings=steps.crossings(curve, largest) if alone else (),
        rows=_rows(curve, ticks),
    )


def _rows(curve: Curve, ticks: Sequence[float]) -> Rows:
    """The points, and where the curve is measured everywhere, the budgets at its ticks."""
    points = {point.eps: point for point in curve.points}
    points = {eps: Point(eps, *steps.at(curve, eps)) for eps in ticks if eps and curve.smallest} | points
    return tuple(
        (_budget(curve, eps), _share(points[eps]), words.interval(points[eps].interval)) for eps in sorted(points)
    )


def _budget(curve: Curve, eps: float) -> str:
    return "clean" if eps == 0.0 else words.budget(curve.norm, eps)


def _share(point: Point) -> str:
    return f"{'≤ ' if point.not_evaluated else ''}{words.percent(point.share)}"


def _mark(curve: Curve, point: Point, largest: float, labelled: bool) -> Mark:
    x, wide = 100 * point.eps / largest, curve.smallest is not None
    top, bottom = y_of(point.interval[1]), y_of(point.interval[0])
    name = words.threat(curve.norm, point.eps) if point.eps else "clean"
    text = f"{name}: {_share(point)}" if wide else _share(point)
    return Mark(
        x=x,
        y=y_of(point.share),
        top=top,
        bottom=bottom,
        label=text if labelled else "",
        anchor=anchor(x, 16.0 if wide else 4.0),
        label_y=top - 8,
        open=bool(point.not_evaluated),
    )


def _band(marks: Sequence[Mark]) -> str:
    there = [f"{10 * mark.x:.1f} {mark.top:.1f}" for mark in marks]
    back = [f"{10 * mark.x:.1f} {mark.bottom:.1f}" for mark in reversed(marks)]
    return f"M{' L'.join(there + back)} Z"


def _bound(curve: Curve, largest: float) -> str:
    if not curve.bound:
        return ""
    path = [f"M0 {y_of(curve.points[0].share):.1f}"]
    path += [f"H{WIDTH * radius / largest:.1f} V{y_of(share):.1f}" for radius, share in curve.bound]
    return " ".join([*path, f"H{WIDTH}"])


def _proven(curve: Curve, largest: float) -> str:
    """Level up to each radius and down behind it, as far as the chart goes."""
    if not curve.proven:
        return ""
    falls = [share for _, share in curve.proven[1:]] + [0.0]
    path = [f"M0 {y_of(curve.proven[0][1]):.1f}"]
    for (radius, _), share in zip(curve.proven, falls, strict=True):
        if radius >= largest:
            break
        path.append(f"H{WIDTH * radius / largest:.1f} V{y_of(share):.1f}")
    return " ".join([*path, f"H{WIDTH}"])


def _ticks(norm: str, budgets: Sequence[float], largest: float) -> tuple[Tick, ...]:
    places = [100 * eps / largest for eps in budgets]
    labelled = spaced(places)
    return tuple(
        Tick(x=x, label=words.budget(norm, eps) if i in labelled and eps else "0" * (i == 0), anchor=anchor(x))
        for i, (x, eps) in enumerate(zip(places, budgets, strict=True))
    )
