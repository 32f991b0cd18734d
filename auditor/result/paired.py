"""The difference between two shares of the same samples; standard library only.

Of `n` samples, `lost` stand in the first run alone and `gained` in the second alone. The drop is the share lost, less
the share gained.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

from auditor.result.statistics import Interval, clopper_pearson

Bounds = Callable[[int, int, float], Interval]
"""An interval for a share, from a count, how many in all, and a confidence."""

_EXACT = 1e-9


def tango(lost: float, gained: float, n: int, confidence: float = 0.95) -> Interval:
    """Score interval for the drop (Tango 1998, Statistics in Medicine 17:891); `(-1, 1)` for `n = 0`.

    The interval to print: its coverage is right on average, where few samples change and where many do.
    """
    if n == 0:
        return (-1.0, 1.0)
    z = NormalDist().inv_cdf(0.5 + confidence / 2.0)
    share = (lost - gained) / n
    low = _crossing(lambda drop: _score(lost, gained, n, drop) <= z, -1.0, share)
    high = _crossing(lambda drop: _score(lost, gained, n, drop) < -z, share, 1.0)
    return (low, high)


def _score(lost: float, gained: float, n: int, drop: float) -> float:
    """How many standard errors the measured drop lies above `drop`, under the likeliest shares that have it."""
    a = 2.0 * n
    b = (2.0 * n - lost + gained) * drop - lost - gained
    c = -gained * drop * (1.0 - drop)
    both = 2.0 * (math.sqrt(max(0.0, b * b - 4.0 * a * c)) - b) / (2.0 * a) + drop * (1.0 - drop)
    distance = lost - gained - n * drop
    if both <= 0.0:
        return 0.0 if distance == 0.0 else math.copysign(math.inf, distance)
    return distance / math.sqrt(n * both)


def _crossing(beyond: Callable[[float], bool], low: float, high: float) -> float:
    """Where `beyond` begins to hold between `low` and `high`; `high` where it never does."""
    while high - low > _EXACT:
        middle = (low + high) / 2.0
        low, high = (low, middle) if beyond(middle) else (middle, high)
    return high


def drop_bounds(
    lost: int, gained: int, n: int, confidence: float, *, unknown: int = 0, share: Bounds = clopper_pearson
) -> Interval:
    """An interval for the drop that never undercovers: exact ones for both shares, each at half the error.

    `unknown` further samples of the `n` may have been lost, gained, or neither.
    """
    half = (1.0 + confidence) / 2.0
    low = share(lost, n, half)[0] - share(gained + unknown, n, half)[1]
    high = share(lost + unknown, n, half)[1] - share(gained, n, half)[0]
    return (low, high)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for how many there are (Holm 1979), in the order given."""
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for rank, at in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[at]))
        adjusted[at] = largest
    return adjusted
