"""The forecast of further falls: known answers, and the truth inside the stated range as often as claimed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import betabinom, binom

from auditor.result.forecast import Forecast, forecast, lately
from auditor.result.forecast import _range as range_of  # the quantiles have a reference in scipy

FELL = st.lists(st.integers(1, 4000), max_size=60)


def test_without_a_standing_sample_nothing_can_fall() -> None:
    assert forecast([1, 2, 3], standing=0, spent=10) == Forecast(0.0, 0, 0, 0.95)


def test_a_single_sample_may_fall_or_stand() -> None:
    told = forecast([], standing=1, spent=10)
    assert (told.low, told.high) == (0, 1)
    assert 0.0 < told.expected < 0.5


def test_no_fall_of_late_leaves_a_small_bound_that_is_not_zero() -> None:
    told = forecast([1] * 500, standing=500, spent=1000)
    assert told.low == 0
    assert 1 <= told.high <= 10
    assert 0.0 < told.expected < 1.0


def test_falls_that_go_on_as_before_are_foretold() -> None:
    steady = [2**octave + shift for octave in range(10) for shift in range(1, min(2**octave, 20) + 1)]
    told = forecast(steady, standing=1000, spent=1024)
    assert told.low <= 20 <= told.high
    assert told.expected == pytest.approx(20, rel=0.4)


def test_only_the_last_doubling_counts() -> None:
    assert forecast([1, 2, 512], 50, 1024) == forecast([], 50, 1024)
    assert forecast([513], 50, 1024).expected > forecast([512], 50, 1024).expected


def test_passes_that_differ_between_samples_are_averaged() -> None:
    assert lately([5, 10, 60], [8, 64]) == pytest.approx((1 + 1) / 2)
    assert forecast([5, 10, 60], 2, [64, 64]) == forecast([5, 10, 60], 2, 64)


@pytest.mark.parametrize(
    ("standing", "spent", "confidence"), [(-1, 1, 0.9), (3, 0, 0.9), (3, [1, 2], 0.9), (3, 1, 1.0), (3, [1, 0, 2], 0.9)]
)
def test_impossible_arguments_are_refused(standing: int, spent: int | list[int], confidence: float) -> None:
    with pytest.raises(ValueError, match="at least one pass"):
        forecast([], standing, spent, confidence)


@given(FELL, st.integers(1, 400), st.integers(1, 4000))
def test_the_range_lies_within_what_is_possible_and_holds_more_when_surer(
    fell: list[int], standing: int, spent: int
) -> None:
    likely, sure = (forecast(fell, standing, spent, confidence) for confidence in (0.8, 0.99))
    assert 0 <= sure.low <= likely.low <= likely.high <= sure.high <= standing
    assert 0.0 < likely.expected == sure.expected < standing


@given(FELL, st.integers(1, 400), st.integers(2, 4000))
def test_one_more_late_fall_never_lowers_the_forecast(fell: list[int], standing: int, spent: int) -> None:
    before, after = forecast(fell, standing, spent), forecast([*fell, spent], standing, spent)
    assert after.expected > before.expected
    assert after.high >= before.high


@settings(deadline=None)  # the first use of scipy takes its time
@given(st.integers(1, 300), st.floats(0.2, 40.0), st.floats(0.2, 400.0), st.floats(0.005, 0.2))
def test_the_range_is_that_of_the_beta_binomial(n: int, a: float, b: float, tail: float) -> None:
    low, high = range_of(n, a, b, tail)
    assert betabinom.cdf(high, n, a, b) >= 1.0 - tail - 1e-9
    assert high == 0 or betabinom.cdf(high - 1, n, a, b) < 1.0 - tail + 1e-9
    assert betabinom.cdf(low, n, a, b) >= tail - 1e-9
    assert low == 0 or betabinom.cdf(low - 1, n, a, b) <= tail + 1e-9


def test_ten_thousand_samples_take_no_time_and_no_overflow() -> None:
    told = forecast([900] * 3000, standing=7000, spent=1000)
    assert 0 < told.low < told.expected < told.high < 7000


@pytest.mark.parametrize("confidence", [0.8, 0.95])
@pytest.mark.parametrize("shape", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("spent", [16, 1024])
def test_the_truth_lies_inside_as_often_as_claimed(shape: float, spent: int, confidence: float) -> None:
    """Each sample falls at a rate of its own, drawn from a gamma distribution: the time to break is then Lomax."""
    draws, n = 300, 200
    rng = np.random.default_rng([spent, round(1000 * shape)])
    inside = 0
    for _ in range(draws):
        times = np.ceil(rng.pareto(shape, n)).clip(1, 1e9)
        told = forecast(times[times <= spent].astype(int).tolist(), int((times > spent).sum()), spent, confidence)
        inside += told.low <= int(((times > spent) & (times <= 2 * spent)).sum()) <= told.high
    assert inside >= binom.ppf(0.001, draws, confidence)
