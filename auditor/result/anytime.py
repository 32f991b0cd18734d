"""Intervals for a share that hold however often one looks, so that a scan may stop as soon as it knows enough.

Samples are dealt in random order, and after any of them one may ask: is the share below a threshold? All shares below
it are weighed alike against it. The mean of their likelihood ratios is a non-negative supermartingale wherever the true
share is the threshold or more, so it ever exceeds `1 / error` with a probability of at most `error` (Ville 1939;
Robbins 1970; as a confidence sequence in Waudby-Smith & Ramdas, arXiv:2010.09686). Above is the same, mirrored.
"""

from __future__ import annotations

import math

from auditor.result.statistics import Interval, beta_cdf


def evidence_below(k: int, n: int, threshold: float) -> float:
    """The logarithm of the evidence, after `k` of `n`, that the share behind them is below `threshold` in `(0, 1)`."""
    inside = beta_cdf(threshold, k + 1.0, n - k + 1.0)
    if inside <= 0.0:
        return -math.inf
    weight = math.lgamma(k + 1.0) + math.lgamma(n - k + 1.0) - math.lgamma(n + 2.0)
    likelihood = k * math.log(threshold) + (n - k) * math.log1p(-threshold)
    return weight + math.log(inside) - math.log(threshold) - likelihood


def anytime(k: int, n: int, confidence: float = 0.95) -> Interval:
    """The shares that `k` successes among the first `n` do not rule out; with this probability the true one is never
    ruled out, at whatever `n`. `(0, 1)` for `n = 0`."""
    enough = -math.log((1.0 - confidence) / 2.0)
    low = 0.0 if k == 0 else 1.0 - _ruled_out(n - k, n, enough)
    return (low, 1.0 if k == n else _ruled_out(k, n, enough))


def _ruled_out(k: int, n: int, enough: float) -> float:
    """The smallest threshold that the share is known to be below, by bisection to the last digits."""
    low, high = k / n, 1.0
    while high - low > 1e-12:
        middle = (low + high) / 2.0
        if evidence_below(k, n, middle) < enough:
            low = middle
        else:
            high = middle
    return high
