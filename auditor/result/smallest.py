"""From the sizes of the smallest examples to a median, a curve, and the budget at which half of the samples fall."""

from __future__ import annotations

import math
from collections.abc import Sequence

from auditor.result.measures import SmallestResult
from auditor.result.statistics import binomial_tail, wilson

_POINTS = 256
"""Of the curve, at most."""


def smallest(sizes: Sequence[float], wrong: int, confidence: float) -> SmallestResult:
    """Of one size for each sample that is classified correctly (infinite where nothing was found), and `wrong` others.

    Raises nothing; with no samples there is no median.
    """
    ordered = sorted(sizes)
    n = len(ordered) + wrong
    found = sum(map(math.isfinite, ordered))
    low, high = median_ranks(len(ordered), confidence)
    stand = math.floor(n / 2)
    # Of all samples so many must fall, beside those that are wrong as they are, for at most half to stand.
    needed = len(ordered) - stand
    return SmallestResult(
        found=found,
        median=_finite(_median(ordered)) if ordered else None,
        median_interval=(_at(ordered, low), _at(ordered, high)),
        half=0.0 if needed <= 0 else _at(ordered, needed - 1),
        curve=_curve(ordered[:found], len(ordered), n, confidence),
    )


def median_ranks(n: int, confidence: float) -> tuple[int, int]:
    """Positions, from 0, of the order statistics between which the median lies at least so surely.

    The number of samples below the median is binomial, whatever the distribution. -1 and `n` where there are too few.
    """
    tail = (1.0 - confidence) / 2.0
    # The largest rank whose order statistic lies above the median with no more than the tail's probability.
    low = next((k for k in range(n // 2, 0, -1) if 1.0 - binomial_tail(k, n, 0.5) <= tail), 0)
    return low - 1, n - low


def _median(ordered: Sequence[float]) -> float:
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2.0


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _at(ordered: Sequence[float], rank: int) -> float | None:
    return _finite(ordered[rank]) if 0 <= rank < len(ordered) else None


def _curve(
    sizes: Sequence[float], right: int, n: int, confidence: float
) -> tuple[tuple[float, float, float, float], ...]:
    """From clean accuracy down, a step wherever a size lies; thinned evenly, always with the last."""
    steps = [(0.0, right)] if n else []
    for fallen, size in enumerate(sizes, 1):
        if steps and steps[-1][0] == size:
            steps.pop()
        steps.append((size, right - fallen))
    if len(steps) > _POINTS:
        steps = [steps[round(i * (len(steps) - 1) / (_POINTS - 1))] for i in range(_POINTS)]
    return tuple((size, left / n, *wilson(left, n, confidence)) for size, left in steps)
