"""The difference between two shares of the same samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import multinomial, norm

from auditor.result.paired import drop_bounds, holm, tango
from auditor.result.statistics import Interval, wilson

# Shares lost and gained: nothing changes, little, one way only, much.
TRUTHS = [(0.0, 0.0), (0.02, 0.02), (0.05, 0.01), (0.1, 0.0), (0.25, 0.1), (0.3, 0.3)]


def likelihood(lost: int, gained: int, n: int, drop: float, other: float) -> float:
    """Log-likelihood of the shares `other + drop` lost and `other` gained."""
    shares = (other + drop, other, 1.0 - 2.0 * other - drop)
    counts = (lost, gained, n - lost - gained)
    return sum(k * math.log(max(share, 1e-300)) for k, share in zip(counts, shares, strict=True) if k)


@pytest.mark.parametrize(("lost", "gained", "n"), [(12, 2, 50), (7, 3, 40), (30, 45, 200), (5, 1, 1000), (1, 0, 30)])
def test_the_ends_of_tangos_interval_are_the_drops_that_the_score_test_just_allows(
    lost: int, gained: int, n: int
) -> None:
    for confidence in (0.9, 0.95):
        for drop in tango(lost, gained, n, confidence):
            least, most = max(0.0, -drop), (1.0 - drop) / 2.0
            found = minimize_scalar(
                lambda other, drop=drop: -likelihood(lost, gained, n, drop, other),
                bounds=(least, most),
                method="bounded",
                options={"xatol": 1e-12},
            )
            deviation = math.sqrt((2.0 * found.x + drop - drop**2) / n)
            score = abs((lost - gained) / n - drop) / deviation
            assert score == pytest.approx(norm.ppf(0.5 + confidence / 2.0), abs=1e-4)


def test_an_example_of_the_paper() -> None:
    # Altman's asthma data as Newcombe (1998) and Tango (1998) give it: 12 and 2 discordant of 50.
    assert tango(12, 2, 50) == pytest.approx((0.0611, 0.3447), abs=1e-4)


def test_where_only_one_way_is_possible_the_interval_still_has_a_width() -> None:
    low, high = tango(0, 0, 1000)
    z = norm.ppf(0.975)
    assert high == pytest.approx(z * z / (1000 + z * z), abs=1e-6)
    assert low == pytest.approx(-high, abs=1e-6)
    assert tango(0, 0, 0) == (-1.0, 1.0)
    assert tango(20, 0, 20)[1] == pytest.approx(1.0, abs=1e-6)


def test_exchanging_the_runs_mirrors_the_interval() -> None:
    low, high = tango(17, 4, 120)
    assert tango(4, 17, 120) == pytest.approx((-high, -low), abs=1e-8)


def coverage(n: int, truth: tuple[float, float], method) -> float:  # type: ignore[no-untyped-def]
    """How likely the interval holds the true drop, added up over all outcomes."""
    shares = [*truth, 1.0 - sum(truth)]
    total = 0.0
    for lost in range(n + 1):
        for gained in range(n - lost + 1):
            p = float(multinomial.pmf([lost, gained, n - lost - gained], n, shares))
            if p > 1e-7:
                low, high = method(lost, gained, n)
                total += p * (low - 1e-8 <= truth[0] - truth[1] <= high + 1e-8)
    return total


@pytest.mark.parametrize("truth", TRUTHS)
def test_tangos_interval_covers_as_often_as_it_says(truth: tuple[float, float]) -> None:
    assert coverage(40, truth, tango) >= 0.935


def test_on_average_over_the_truths_coverage_is_at_least_what_it_says() -> None:
    assert np.mean([coverage(40, truth, tango) for truth in TRUTHS]) >= 0.95


@pytest.mark.parametrize("n", [100, 400])
def test_simulated_coverage_holds_for_more_samples(n: int) -> None:
    generator = np.random.default_rng(0)
    for truth in TRUTHS[1:]:
        drawn = generator.multinomial(n, [*truth, 1.0 - sum(truth)], size=1500)
        known: dict[tuple[int, int], Interval] = {}
        inside = 0
        for lost, gained, _ in drawn.tolist():
            low, high = known.setdefault((lost, gained), tango(lost, gained, n))
            inside += low <= truth[0] - truth[1] <= high
        assert inside / len(drawn) >= 0.935


@pytest.mark.parametrize("truth", TRUTHS)
def test_the_gated_interval_never_undercovers(truth: tuple[float, float]) -> None:
    assert coverage(30, truth, lambda lost, gained, n: drop_bounds(lost, gained, n, 0.95)) >= 0.95


def test_the_paired_interval_is_narrower_than_one_that_ignores_the_pairing() -> None:
    low, high = tango(15, 3, 1000)
    one, other = wilson(515, 1000), wilson(503, 1000)
    assert high - low < 0.5 * (one[1] - other[0] - (one[0] - other[1])) / math.sqrt(2.0)


def test_samples_that_are_not_known_widen_both_ends() -> None:
    low, high = drop_bounds(10, 5, 100, 0.95)
    wide = drop_bounds(10, 5, 100, 0.95, unknown=20)
    assert wide[0] < low - 0.15
    assert wide[1] > high + 0.15


def test_holm_multiplies_each_p_by_how_many_are_left_and_keeps_their_order() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []
