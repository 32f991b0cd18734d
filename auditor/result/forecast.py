"""How many more samples would fall if the same search went on: an estimate from when the others fell.

What falls over a search gets rarer, about as much less in every doubling of the passes as in the one before (a power
law of the time to break). So the falls of the last doubling foretell those of the next one. The classic estimators of
the unseen (Good & Toulmin 1956; Chao 1984; for fuzzing Böhme, arXiv:1803.02130) cannot be used: they need how often
each species was met again, and no sample is attacked once it fell.

The falls of the next doubling are taken as beta-binomial among the samples that stand. Three constants were chosen on
networks other than those on which the stated ranges were checked; docs/explanation/stopping.md has both.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

PRIOR = 0.5
"""Falls added to what was seen: none so far does not mean none to come."""
DECAY = 0.75
"""The hazard of a doubling over the hazard of the one before."""
SPREAD = 0.25
"""Relative variance of that ratio from one search to the next."""


@dataclass(frozen=True)
class Forecast:
    """How many standing samples would fall to as many passes again: the mean, and a range that holds the truth with
    at least this `confidence`. All in samples."""

    expected: float
    low: int
    high: int
    confidence: float


def forecast(fell: Sequence[int], standing: int, spent: int | Sequence[int], confidence: float = 0.95) -> Forecast:
    """Foretell the falls among the standing samples if the passes spent on each were doubled.

    It speaks of more of the same attacks. One that was not tried before begins a search of its own.

    Args:
        fell: the passes spent on each sample that fell, when it fell.
        standing: how many samples stand.
        spent: the passes spent on each standing sample, one number where it is the same for all; at least 1.
        confidence: of the range, in (0, 1).

    Raises:
        ValueError: an argument out of its range, or `spent` not of the standing samples.
    """
    each = [spent] * min(standing, 1) if isinstance(spent, int) else list(spent)
    if not 0.0 < confidence < 1.0 or standing < 0 or min(each, default=1) < 1 or len(each) not in {1, standing}:
        raise ValueError("forecast() takes a confidence in (0, 1) and at least one pass for each standing sample.")
    if not standing:
        return Forecast(0.0, 0, 0, confidence)
    late = lately(sorted(fell), each)
    hazard = DECAY * (late + PRIOR) / (late + standing + 2.0 * PRIOR)
    shape = 1.0 / (1.0 / (late + PRIOR) + SPREAD)
    low, high = _range(standing, shape, shape * (1.0 - hazard) / hazard, (1.0 - confidence) / 2.0)
    return Forecast(standing * hazard, low, high, confidence)


def lately(fell: Sequence[int], spent: Sequence[int]) -> float:
    """How many fell (ascending) in the last doubling, the second half of what was spent: the mean over `spent`."""
    return sum(bisect_right(fell, most) - bisect_right(fell, most / 2) for most in spent) / len(spent)


def _range(n: int, a: float, b: float, tail: float) -> tuple[int, int]:
    """The smallest counts that a beta-binomial of `n` does not exceed with probabilities `tail` and `1 - tail`."""
    low, total = None, 0.0
    for k, p in enumerate(_beta_binomial(n, a, b)):
        total += p
        if low is None and total > tail:
            low = k
        if total >= 1.0 - tail:
            return low or 0, k
    return low or 0, n


def _beta_binomial(n: int, a: float, b: float) -> Iterator[float]:
    """The probabilities of 0 to `n`."""
    log = math.lgamma(a + b) - math.lgamma(b) + math.lgamma(b + n) - math.lgamma(a + b + n)
    for k in range(n + 1):
        yield math.exp(log)
        if k < n:
            log += math.log((n - k) / (k + 1) * (a + k) / (b + n - k - 1))
