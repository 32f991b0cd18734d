"""The context of the table of medians: which class falls to the smallest changes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from auditor.formats import words
from auditor.formats.html import context
from auditor.formats.views.classes import SizeLine, medians

if TYPE_CHECKING:
    from auditor.result.record import ThreatResult
    from auditor.result.samples_csv import Row

_SHOWN = 200


def medians_context(
    threat: ThreatResult, rows: Sequence[Row], confidence: float, names: tuple[str, ...] | None
) -> context.Medians | None:
    """The classes that have a median, the weakest first; None where nothing was found, or there is one class."""
    lines = medians(rows, confidence)
    found = [line for line in lines if math.isfinite(line.median)]
    if not found or len(lines) < 2:
        return None
    largest = found[-1].median
    left = len(lines) - _SHOWN
    return context.Medians(
        worst=_worst(found, threat, names),
        shown=tuple(_line(line, threat.norm, largest, names) for line in lines[:_SHOWN]),
        left_out=words.count(left, "class") if left > 0 else "",
    )


def _worst(lines: Sequence[SizeLine], threat: ThreatResult, names: tuple[str, ...] | None) -> str:
    worst, best = lines[0], lines[-1]
    low, high = (
        f"{words.class_name(line.label, names)}, {words.budget(threat.norm, line.median)}" for line in (worst, best)
    )
    last = f"; strongest: {high}" if len(lines) > 1 else ""
    median, end = threat.smallest.median if threat.smallest else None, worst.interval[1]
    doubt = " With so few samples that may be chance." if median is None or end is None or end >= median else ""
    return f"Half of each class falls at this size. Weakest: {low}{last}.{doubt}"


def _line(line: SizeLine, norm: str, largest: float, names: tuple[str, ...] | None) -> context.MedianLine:
    known = math.isfinite(line.median)
    ends = ("?" if end is None else words.budget(norm, end) for end in line.interval)
    return context.MedianLine(
        name=words.class_name(line.label, names),
        n=f"{words.count(line.correct)} of {words.count(line.n)}",
        found=words.count(line.found),
        median=words.budget(norm, line.median) if known else "not found",
        interval="–".join(ends) if known else "",
        width=100.0 * line.median / largest if known and largest else 100.0,
    )
