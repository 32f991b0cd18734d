"""Intervals equal scipy's, and cover as they claim."""

from __future__ import annotations

import random

import pytest
from scipy.stats import beta, binom, binomtest

from auditor.result.statistics import (
    beta_quantile,
    binomial_tail,
    clopper_pearson,
    mcnemar,
    samples_to_decide,
    wilson,
)

CASES = [(0, 1), (1, 1), (0, 30), (30, 30), (7, 30), (450, 1000), (1, 100_000), (999_999, 1_000_000)]


@pytest.mark.parametrize(("k", "n"), CASES)
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_wilson_equals_scipy(k: int, n: int, confidence: float) -> None:
    expected = binomtest(k, n).proportion_ci(confidence, "wilson")
    assert wilson(k, n, confidence) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(("k", "n"), CASES)
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_clopper_pearson_equals_scipy(k: int, n: int, confidence: float) -> None:
    expected = binomtest(k, n).proportion_ci(confidence, "exact")
    assert clopper_pearson(k, n, confidence) == pytest.approx((expected.low, expected.high), abs=1e-11)


def test_nothing_is_known_of_no_samples() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert clopper_pearson(0, 0) == (0.0, 1.0)


def test_the_exact_interval_never_undercovers() -> None:
    for p in (0.03, 0.2, 0.5, 0.9):
        n = 40
        covered = sum(
            binom.pmf(k, n, p) for k in range(n + 1) if clopper_pearson(k, n)[0] <= p <= clopper_pearson(k, n)[1]
        )
        assert covered >= 0.95


def test_binomial_tail_equals_scipy() -> None:
    generator = random.Random(0)
    for _ in range(50):
        n = generator.randint(1, 2000)
        k, p = generator.randint(0, n), generator.random()
        assert binomial_tail(k, n, p) == pytest.approx(binom.sf(k - 1, n, p), abs=1e-11)


def test_beta_quantile_inverts_scipy() -> None:
    assert beta_quantile(0.025, 3, 8) == pytest.approx(beta.ppf(0.025, 3, 8), abs=1e-12)


@pytest.mark.parametrize(("a", "b"), [(0, 0), (3, 12), (12, 3), (5, 5), (0, 6), (40, 41)])
def test_mcnemar_is_the_two_sided_binomial_test(a: int, b: int) -> None:
    expected = 1.0 if a + b == 0 else binomtest(a, a + b, 0.5).pvalue
    assert mcnemar(a, b) == pytest.approx(expected, abs=1e-12)


def test_the_samples_to_decide_are_the_fewest_that_do() -> None:
    def decided(n: int) -> bool:
        return clopper_pearson(round(0.45 * n), n)[0] >= 0.40

    n = samples_to_decide(decided)
    assert n is not None
    assert decided(n)
    assert not decided(n - 1)
    assert samples_to_decide(decided, n + 50) == n + 50


def test_where_no_number_of_samples_decides_there_is_none() -> None:
    assert samples_to_decide(lambda n: False, most=100_000) is None
