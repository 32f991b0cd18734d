"""Clean against robust accuracy: a bar for each, with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from auditor.formats import words
from auditor.formats.views.trust import in_doubt
from auditor.result.record import ModelResult
from auditor.result.statistics import Interval

Kind = Literal["clean", "robust", "doubted", "open"]

ROW = 46
"""Height of a bar with its line of text, in pixels."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One accuracy."""

    label: Annotated[str, "What was measured: `clean`, or the threat."]
    value: Annotated[str, "The share as text."]
    kind: Annotated[Kind, "`open` where some samples were not evaluated, `doubted` where a finding doubts the share."]
    width: Annotated[float, "Share of all samples, in percent of the chart's width."]
    low: Annotated[float, "Lower end of the interval, in percent of the width."]
    high: Annotated[float, "Upper end of the interval, in percent of the width."]
    certified: Annotated[float | None, "What is proven, in percent of the width; None where nothing was."]
    y: Annotated[int, "Top of the row, in pixels."]


@dataclass(frozen=True, kw_only=True)
class BarChart:
    """All accuracies of one model."""

    title: Annotated[str, "What the chart shows, in a line."]
    description: Annotated[str, "The same as sentences with the numbers, for people who hear the page."]
    bars: Annotated[tuple[Bar, ...], "From top to bottom."]
    height: Annotated[int, "Height in pixels."]


def bar_chart(model: ModelResult, settings: Mapping[str, Any] | None = None) -> BarChart | None:
    """The chart of one model; None where it was not audited."""
    if model.clean_accuracy is None:
        return None
    bars = [_bar(0, "clean", "clean", model.clean_accuracy, model.clean_interval)]
    for threat in (each for each in model.threats if not each.minimal):
        kind: Kind = "open" if threat.unknown else "doubted" if in_doubt(model, threat) else "robust"
        label = words.threat(threat.norm, threat.eps, settings)
        share, proven = threat.share, threat.certified_accuracy
        bars.append(
            _bar(len(bars), f"{label}, in doubt" if kind == "doubted" else label, kind, share, threat.interval, proven)
        )
    spoken = "; ".join(f"{bar.label} {bar.value}" for bar in bars)
    title = f"Accuracy of {model.name}"
    return BarChart(title=title, description=f"{title}: {spoken}.", bars=tuple(bars), height=ROW * len(bars) + 18)


def _bar(
    number: int,
    label: str,
    kind: Kind,
    share: float,
    interval: Interval | None,
    certified: float | None = None,
) -> Bar:
    low, high = interval or (share, share)
    text = words.percent(share) if kind != "open" else f"{words.NOT_EVALUATED}, ≤ {words.percent(share)}"
    return Bar(
        label=label,
        value=f"{text} ({words.interval(interval)})" if interval else text,
        kind=kind,
        width=100 * share,
        low=100 * low,
        high=100 * high,
        certified=None if certified is None else 100 * certified,
        y=ROW * number,
    )
