"""A line through what a check measured: shares over something that grows, evenly spaced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from auditor.formats import words
from auditor.formats.html.charts.scale import WIDTH, anchor, spaced
from auditor.formats.views.trust import points

HEIGHT = 160.0


@dataclass(frozen=True, kw_only=True)
class LinePoint:
    """One measured share."""

    x: Annotated[float, "In percent of the width."]
    y: Annotated[float, "In pixels."]
    name: Annotated[str, "What stands below it, for the table."]
    label: Annotated[str, "The same on the axis; empty where there is no room for it."]
    anchor: Annotated[str, "How the label is anchored."]
    value: Annotated[str, "The share as text."]


@dataclass(frozen=True, kw_only=True)
class LineChart:
    """Shares over something that grows."""

    title: Annotated[str, "What the chart shows."]
    axis: Annotated[str, "What grows."]
    value: Annotated[str, "What the shares are of."]
    points: Annotated[tuple[LinePoint, ...], "From left to right."]
    line: Annotated[str, "Path through them."]
    threshold: Annotated[float | None, "A line across, in pixels; None for none."]
    threshold_text: Annotated[str, "What it stands for; may be empty."]


def line_chart(title: str, plot: Any) -> LineChart | None:
    """The chart of a check's `plot`; None where there is nothing to draw."""
    told = points(plot)
    if not told or not isinstance(plot, Mapping):
        return None
    step = 100.0 / (len(told) - 1)
    labelled = spaced([at * step for at in range(len(told))])
    made = tuple(
        LinePoint(
            x=at * step,
            y=_y(share),
            name=name,
            label=name if at in labelled else "",
            anchor=anchor(at * step),
            value=words.percent(share),
        )
        for at, (name, share) in enumerate(told)
    )
    path = " ".join(f"{'L' if at else 'M'}{p.x * WIDTH / 100.0:.1f} {p.y:.1f}" for at, p in enumerate(made))
    given = plot.get("threshold")
    across = float(given) if isinstance(given, (int, float)) and 0.0 <= given <= 1.0 else None
    return LineChart(
        title=title,
        axis=str(plot.get("x_title", "")),
        value=str(plot.get("y_title", "")),
        points=made,
        line=path,
        threshold=None if across is None else _y(across),
        threshold_text="" if across is None else f"threshold, {words.percent(across)}",
    )


def _y(share: float) -> float:
    return HEIGHT * (1.0 - share)
