"""Several questions decided together."""

from __future__ import annotations

import random
from functools import cache, partial

import numpy as np
import pytest
from scipy.stats import binom

from auditor.result.simultaneous import Question, decided_together
from auditor.result.statistics import Interval, clopper_pearson

N = 300
exact = cache(clopper_pearson)


def question(k: int, threshold: float, n: int = N) -> Question:
    return Question(partial(exact, k, n), threshold)


def outcome(interval: Interval, threshold: float) -> str:
    return "pass" if interval[0] >= threshold else "fail" if interval[1] < threshold else "open"


def holm_on_p_values(counts: list[int], thresholds: list[float], error: float) -> list[str]:
    """The procedure as Holm wrote it, on exact one-sided p-values, once for each direction."""
    words = ["open"] * len(counts)
    for word in ("pass", "fail"):
        ps = [
            binom.sf(k - 1, N, t) if word == "pass" else binom.cdf(k, N, t)
            for k, t in zip(counts, thresholds, strict=True)
        ]
        for rank, at in enumerate(np.argsort(ps, kind="stable")):
            if ps[at] > error / 2.0 / (len(ps) - rank):
                break
            words[int(at)] = word
    return words


@pytest.mark.parametrize("seed", range(4))
def test_it_is_holms_procedure_on_exact_one_sided_p_values(seed: int) -> None:
    generator = random.Random(seed)
    for _ in range(25):
        thresholds = [generator.choice([0.3, 0.5, 0.6]) for _ in range(generator.randint(1, 6))]
        counts = [min(N, max(0, round(N * t) + generator.randint(-40, 40))) for t in thresholds]
        made = decided_together([question(k, t) for k, t in zip(counts, thresholds, strict=True)], 0.95)
        words = [outcome(interval, t) for interval, t in zip(made, thresholds, strict=True)]
        assert words == holm_on_p_values(counts, thresholds, 0.05)


def test_one_question_has_its_plain_interval() -> None:
    assert decided_together([question(160, 0.5)], 0.95) == [clopper_pearson(160, N, 0.95)]
    assert decided_together([], 0.95) == []


def test_the_chance_of_any_wrong_claim_is_that_of_one_question() -> None:
    # All shares lie at the edge of their thresholds, where wrong claims are likeliest; a pass there is right, so the
    # shares are a hair below: whoever passes is wrong.
    generator = np.random.default_rng(0)
    runs, wrong, alone = 1000, 0, 0
    for _ in range(runs):
        counts = generator.binomial(N, 0.499, size=5).tolist()
        made = decided_together([question(k, 0.5) for k in counts], 0.9)
        wrong += any(interval[0] >= 0.5 for interval in made)
    alone = sum(
        any(clopper_pearson(k, N, 0.9)[0] >= 0.5 for k in generator.binomial(N, 0.499, 5).tolist()) for _ in range(runs)
    )
    assert wrong / runs <= 0.05 + 2 * (0.05 * 0.95 / runs) ** 0.5
    assert alone / runs > 0.1
