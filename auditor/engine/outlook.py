"""What more of the same search would find, from the passes that were counted on each sample."""

from __future__ import annotations

from auditor.engine.standing import Standing
from auditor.result.forecast import forecast
from auditor.result.measures import ForecastResult

LEAST = 20
"""With fewer samples that the model gets right nothing is foretold."""


def outlook(
    standing: Standing, confidence: float, tolerance: float | None = None, *, stopped_early: bool = False
) -> ForecastResult | None:
    """The forecast for one threat, from `Break.passes` and `Standing.spent`.

    None where it cannot be told: few samples, passes that were not counted, an attack that was cut short on a sample
    that stands; and where nothing stands, so that nothing is left to foretell.
    """
    rows = standing.standing().tolist()
    spent = [standing.spent.get(i, 0) for i in rows]
    audited = set(standing.audited.tolist())
    fell = [found.passes for i, (_, found) in standing.broken_by.items() if i in audited]
    counted = [passes for passes in fell if passes is not None]
    blind = not rows or min(spent) < 1 or len(counted) < len(fell) or not standing.unknown.isdisjoint(rows)
    if blind or len(rows) + len(fell) < LEAST:
        return None
    n = len(audited)
    told = forecast(counted, len(rows), spent, confidence)
    return ForecastResult(
        expected=told.expected / n,
        low=told.low / n,
        high=told.high / n,
        confidence=confidence,
        passes=sorted(spent)[len(spent) // 2],
        tolerance=tolerance,
        stopped_early=stopped_early,
    )
