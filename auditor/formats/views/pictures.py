"""Which examples to show: spread over threats, attacks and classes, the same ones every time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from auditor.result.samples_csv import Row


def choose(rows: Iterable[Row], most: int = 12, skip: frozenset[str] = frozenset()) -> tuple[Row, ...]:
    """At most `most` broken samples of one model: the least shown combination of threat and attack is next, then the
    least shown true class, the least shown wrong class, and at last the lowest index. No sample is shown twice.

    Rows whose `broken_by` is in `skip` are left out.
    """
    left = [row for row in rows if row.outcome == "broken" and row.broken_by not in skip]
    by_cause: dict[tuple[str, float, str], list[Row]] = {}
    for row in left:
        by_cause.setdefault((row.norm, row.eps, row.broken_by), []).append(row)
    shown: Counter[object] = Counter()
    chosen: list[Row] = []
    taken: set[int] = set()
    while len(chosen) < most:
        open_causes = {cause: [r for r in rows if r.index not in taken] for cause, rows in by_cause.items()}
        by_cause = {cause: rows for cause, rows in open_causes.items() if rows}
        if not by_cause:
            break
        cause = min(by_cause, key=lambda c: (shown[c], c))
        row = min(
            by_cause[cause],
            key=lambda r: (shown["true", r.label], shown["wrong", r.adversarial_prediction], r.index),
        )
        shown.update([cause, ("true", row.label), ("wrong", row.adversarial_prediction)])
        taken.add(row.index)
        chosen.append(row)
    return tuple(chosen)
