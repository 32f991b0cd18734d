"""Examples of a model that answers at random, judged once more: how many may fail by chance."""

from __future__ import annotations

import math
from collections.abc import Iterable

_DEVIATIONS = 4.0


def may_fail(fooled: Iterable[int], draws: int) -> float:
    """So many examples may fail a second judgement, which asks for two majorities of fresh draws, and hardly ever more
    do; `fooled` says of each example how many draws of an earlier judgement it fooled.

    The chance of a draw is taken to be beta-distributed after that judgement (Jeffreys' prior), and four standard
    deviations are allowed for.
    """
    known = {count: 1.0 - _majority(count, draws) ** 2 for count in range(draws + 1)}
    failing = [known[count] for count in fooled]
    return sum(failing) + _DEVIATIONS * math.sqrt(sum(p * (1.0 - p) for p in failing))


def _majority(fooled: int, draws: int) -> float:
    """The chance that most of `draws` fresh draws are fooled, after `fooled` of as many were (beta-binomial)."""
    a, b = fooled + 0.5, draws - fooled + 0.5
    return sum(
        math.comb(draws, k) * math.exp(_log_beta(k + a, draws - k + b) - _log_beta(a, b))
        for k in range(draws // 2 + 1, draws + 1)
    )


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
