"""Shares over draws, and intervals that hold the chance of samples and of draws."""

from __future__ import annotations

import numpy as np
import pytest

from auditor.result.expectation import expectation, share_interval
from auditor.result.statistics import wilson


def test_majority_any_and_mean_are_counted_over_all_samples() -> None:
    fooled = np.zeros((5, 4), dtype=bool)
    fooled[:3, 1], fooled[:2, 2], fooled[:, 3] = True, True, True
    found = expectation(fooled, 0.95)
    assert (found.draws, found.rule) == (5, "majority")
    assert found.majority == 0.5
    assert found.any == 0.25
    assert found.mean == pytest.approx(1.0 - 10 / 20)


def test_of_two_classes_named_equally_often_the_wrong_one_counts() -> None:
    assert expectation(np.array([[True], [False]]), 0.95).majority == 0.0


def test_without_chance_the_interval_is_that_of_the_samples() -> None:
    fooled = np.repeat(np.arange(100) < 30, 20).reshape(100, 20).T
    found = expectation(fooled, 0.95)
    assert found.effective_samples == 100
    assert found.interval == pytest.approx(wilson(70, 100), abs=2e-3)
    assert share_interval(70, 100, found, 0.95) == wilson(70, 100)
    assert share_interval(70, 100, None, 0.95) == wilson(70, 100)


def test_draws_that_are_the_same_for_all_samples_widen_it() -> None:
    fooled = np.zeros((20, 400), dtype=bool)
    fooled[:9] = True
    found = expectation(fooled, 0.95)
    low, high = found.interval
    assert high - low > 0.35
    assert found.effective_samples < 400


def draw(rng: np.random.Generator, n: int, draws: int, shared: float) -> np.ndarray:
    """Samples that draws fool with chances of their own, which a draw shifts for all samples alike by `shared`."""
    border, shift = rng.normal(0.7, 1.0, n), shared * rng.normal(size=(draws, 1))
    wrong: np.ndarray = border + shift + 0.6 * rng.normal(size=(draws, n)) < 0.0
    return wrong


@pytest.mark.parametrize("shared", [0.0, 0.5])
def test_intervals_hold_the_truth_as_often_as_they_say(shared: float) -> None:
    rng = np.random.default_rng(7)
    # Wide samples of both, apart: samples settle the mean, and many audits the mean of the majorities.
    mean = float(np.mean([1.0 - draw(rng, 500, 500, shared).mean() for _ in range(40)]))
    majority = float(np.mean([(2 * draw(rng, 500, 20, shared).sum(0) < 20).mean() for _ in range(400)]))
    means = majorities = 0
    for _ in range(200):
        found = expectation(draw(rng, 150, 20, shared), 0.9)
        means += found.interval[0] <= mean <= found.interval[1]
        low, high = share_interval(round(found.majority * 150), 150, found, 0.9)
        majorities += low <= majority <= high
    # Of 200 intervals at 90 %, fewer than 168 hold less than once in 100 times.
    assert means >= 168
    assert majorities >= 168
