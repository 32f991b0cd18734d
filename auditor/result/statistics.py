"""Intervals for shares, and what they decide; standard library only, so that a gate costs no import of scipy."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

Interval = tuple[float, float]


def wilson(k: float, n: float, confidence: float = 0.95) -> Interval:
    """Score interval for the share behind `k` successes among `n` (Wilson 1927); `(0, 1)` for `n = 0`.

    The interval to print: short, and its coverage is right on average. Counts need not be whole.
    """
    if n == 0:
        return (0.0, 1.0)
    z = NormalDist().inv_cdf(0.5 + confidence / 2.0)
    share, weight = k / n, z * z / n
    centre = (share + weight / 2.0) / (1.0 + weight)
    half = math.sqrt(weight * (share * (1.0 - share) + weight / 4.0)) / (1.0 + weight)
    return (0.0 if k == 0 else max(0.0, centre - half), 1.0 if k == n else min(1.0, centre + half))


def clopper_pearson(k: int, n: int, confidence: float = 0.95) -> Interval:
    """Exact interval (Clopper & Pearson 1934); `(0, 1)` for `n = 0`. The interval to gate on: it never undercovers."""
    if n == 0:
        return (0.0, 1.0)
    tail = (1.0 - confidence) / 2.0
    low = 0.0 if k == 0 else beta_quantile(tail, k, n - k + 1)
    high = 1.0 if k == n else beta_quantile(1.0 - tail, k + 1, n - k)
    return (low, high)


def binomial_tail(k: int, n: int, p: float) -> float:
    """P(X >= k) for X ~ Binomial(n, p)."""
    if k <= 0:
        return 1.0
    return 0.0 if k > n else beta_cdf(p, k, n - k + 1)


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided exact p-value of McNemar's test: pairs that changed one way against pairs that changed the other."""
    n, most = only_first + only_second, max(only_first, only_second)
    return 1.0 if n == 0 else min(1.0, 2.0 * binomial_tail(most, n, 0.5))


def beta_quantile(p: float, a: float, b: float) -> float:
    """The `x` with `beta_cdf(x, a, b) = p`, by Newton's method, and by bisection where that leads out."""
    low, high, x = 0.0, 1.0, a / (a + b)
    log_scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    while True:
        beyond = beta_cdf(x, a, b) - p
        low, high = (x, high) if beyond < 0.0 else (low, x)
        slope = math.exp(log_scale + (a - 1.0) * math.log(x) + (b - 1.0) * math.log1p(-x))
        better = x - beyond / slope if slope > 0.0 else low
        if not low < better < high:
            better = (low + high) / 2.0
        if abs(better - x) <= 1e-15 * x or better in (low, high):
            return better
        x = better


def beta_cdf(x: float, a: float, b: float) -> float:
    """Regularised incomplete beta function, by Lentz's continued fraction (Abramowitz & Stegun 26.5.8)."""
    if x <= 0.0 or x >= 1.0:
        return float(x >= 1.0)
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - beta_cdf(1.0 - x, b, a)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_front) * _continued_fraction(x, a, b) / a


def _continued_fraction(x: float, a: float, b: float) -> float:
    tiny = 1e-300
    c, d = 1.0, 1.0 / _away_from_zero(1.0 - (a + b) * x / (a + 1.0), tiny)
    value = d
    # The fraction needs about sqrt(max(a, b)) terms; the bound only guards against a loop without end.
    for m in range(1, 200 + int(20.0 * math.sqrt(max(a, b)))):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1.0 / _away_from_zero(1.0 + term * d, tiny)
            c = _away_from_zero(1.0 + term / c, tiny)
            value *= c * d
        if abs(c * d - 1.0) < 1e-15:
            break
    return value


def _away_from_zero(value: float, tiny: float) -> float:
    return value if abs(value) > tiny else tiny


def samples_to_decide(decided: Callable[[int], bool], least: int = 1, most: int = 10_000_000) -> int | None:
    """The smallest number of samples, at least `least`, that decides, if the shares stay as measured.

    `decided(n)` says whether `n` samples would. None where no number up to about `most` does.
    """
    low, high = least, least
    while not decided(high):
        low, high = high, high * 2
        if high > most:
            return None
    while low < high:
        middle = (low + high) // 2
        if decided(middle):
            high = middle
        else:
            low = middle + 1
    return high
