"""Examples of a model that answers at random, judged once more: how many may fail by chance."""

from __future__ import annotations

import math
from collections.abc import Iterable

_DEVIATIONS = 4.0


def may_fail(fooled: Iterable[int], draws: int, least: int | None = None) -> float:
    """So many examples may fail a second judgement, which asks twice for at least so many of fresh draws (by default
    for a majority), and hardly ever more do; `fooled` says of each how many draws of an earlier judgement it fooled.

    The chance of a draw is taken to be beta-distributed after that judgement (Jeffreys' prior), and four standard
    deviations are allowed for.
    """
    least = draws // 2 + 1 if least is None else least
    known = {count: 1.0 - _enough(count, draws, least) ** 2 for count in range(draws + 1)}
    failing = [known[count] for count in fooled]
    return sum(failing) + _DEVIATIONS * math.sqrt(sum(p * (1.0 - p) for p in failing))


def _enough(fooled: int, draws: int, least: int) -> float:
    """The chance that `least` of `draws` fresh draws are fooled, after `fooled` of as many were (beta-binomial)."""
    a, b = fooled + 0.5, draws - fooled + 0.5
    return sum(
        math.comb(draws, k) * math.exp(_log_beta(k + a, draws - k + b) - _log_beta(a, b))
        for k in range(least, draws + 1)
    )


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
