"""Intervals that hold however often one looks."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from scipy.integrate import quad

from auditor.result.anytime import anytime, evidence_below
from auditor.result.statistics import clopper_pearson

ERROR = 0.05
MOST = 600


@cache
def decision(k: int, n: int, threshold: float) -> str:
    """What a scan concludes after the first n samples; a test below says that intervals conclude the same."""
    enough = -math.log(ERROR)
    above = evidence_below(n - k, n, 1.0 - threshold) >= enough
    return "above" if above else "below" if evidence_below(k, n, threshold) >= enough else ""


def looks() -> list[int]:
    """After each of the first hundred samples, and then after every tenth."""
    return [*range(1, 100), *range(100, MOST + 1, 10)]


def shares_of_decisions(truth: float, threshold: float, runs: int) -> tuple[float, float, float]:
    """How often the first decision is above, and below; and after how many samples, on average."""
    generator = np.random.default_rng(round(1e6 * truth))
    counts = np.cumsum(generator.random((runs, MOST)) < truth, axis=1)
    said = {"above": 0, "below": 0}
    spent = 0
    for row in counts:
        for n in looks():
            if word := decision(int(row[n - 1]), n, threshold):
                said[word] += 1
                break
        spent += n
    return said["above"] / runs, said["below"] / runs, spent / runs


@pytest.mark.parametrize(("k", "n", "threshold"), [(3, 20, 0.4), (0, 7, 0.2), (50, 100, 0.55), (90, 100, 0.5)])
def test_the_evidence_is_the_mean_likelihood_ratio_over_all_shares_below(k: int, n: int, threshold: float) -> None:
    def ratio(share: float) -> float:
        null = threshold**k * (1.0 - threshold) ** (n - k)
        return share**k * (1.0 - share) ** (n - k) / null / threshold

    mean, _ = quad(ratio, 0.0, threshold)
    assert evidence_below(k, n, threshold) == pytest.approx(math.log(mean), abs=1e-6)


def test_the_evidence_is_a_martingale_at_the_threshold_and_shrinks_above_it() -> None:
    for truth, least in ((0.3, 1.0), (0.5, 0.0)):
        for k, n in ((2, 10), (3, 10), (40, 100)):
            now = math.exp(evidence_below(k, n, 0.3))
            hit, miss = (math.exp(evidence_below(k + more, n + 1, 0.3)) for more in (1, 0))
            then = truth * hit + (1.0 - truth) * miss
            assert least * now * (1.0 - 1e-9) <= then <= now * (1.0 + 1e-9)


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.8])
def test_a_share_at_or_beside_the_threshold_is_misjudged_no_more_often_than_agreed(threshold: float) -> None:
    runs = 600
    room = 2.0 * math.sqrt(ERROR * (1.0 - ERROR) / runs)
    above, below, _ = shares_of_decisions(threshold, threshold, runs)
    # At the threshold "below" is wrong; "above" is right, and a hair lower it would be wrong.
    assert max(above, below) <= ERROR + room
    for truth, wrong in ((threshold - 0.02, 0), (threshold + 0.02, 1)):
        assert shares_of_decisions(truth, threshold, runs)[wrong] <= ERROR + room


def test_looking_as_often_with_the_exact_interval_is_wrong_far_more_often() -> None:
    generator = np.random.default_rng(0)
    below = cache(lambda k, n: clopper_pearson(k, n, 1.0 - 2.0 * ERROR)[1] < 0.5)
    counts = np.cumsum(generator.random((80, MOST)) < 0.5, axis=1)
    wrong = sum(any(below(int(row[n - 1]), n) for n in looks()) for row in counts)
    assert wrong / len(counts) > 2.0 * ERROR


def test_what_is_far_from_the_threshold_is_decided_early_and_nearly_always() -> None:
    above, below, spent = shares_of_decisions(0.7, 0.5, 300)
    assert (above > 0.99, below < 0.01) == (True, True)
    assert spent < 120


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_the_interval_holds_the_share_and_is_wider_than_one_for_a_single_look(confidence: float) -> None:
    for k, n in ((0, 1), (1, 1), (0, 50), (50, 50), (17, 50), (450, 1000), (99_000, 100_000)):
        low, high = anytime(k, n, confidence)
        single = clopper_pearson(k, n, confidence)
        assert low <= single[0] <= k / n <= single[1] <= high
        mirrored = anytime(n - k, n, confidence)
        assert mirrored == pytest.approx((1.0 - high, 1.0 - low), abs=1e-9)
    assert anytime(0, 0, confidence) == (0.0, 1.0)


def test_every_share_outside_the_interval_is_ruled_out_and_none_inside() -> None:
    enough = math.log(1.0 / 0.025)
    for k, n in ((3, 40), (60, 100), (5, 500)):
        high = anytime(k, n)[1]
        for share in np.linspace(k / n + 1e-6, 0.999, 200):
            assert (evidence_below(k, n, float(share)) >= enough) == (share >= high)
