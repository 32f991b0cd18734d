"""What the sizes of the smallest examples say."""

from __future__ import annotations

import math
import random

import pytest

from auditor.result.smallest import median_ranks, smallest


def test_half_of_the_samples_fall_at_the_median() -> None:
    told = smallest([0.3, 0.1, 0.2, 0.5, 0.4], 0, 0.95)
    assert (told.found, told.median, told.half) == (5, 0.3, 0.3)


def test_samples_that_are_wrong_as_they_are_fall_at_any_budget() -> None:
    told = smallest([0.1, 0.2, 0.3, 0.4], 2, 0.95)
    # Of six samples two never stood; when one more falls, three stand.
    assert told.half == 0.1
    assert told.curve[0][:2] == (0.0, 4 / 6)
    assert smallest([0.1], 3, 0.95).half == 0.0


def test_where_nothing_was_found_for_most_samples_the_median_is_not_known() -> None:
    told = smallest([0.1, math.inf, math.inf], 0, 0.95)
    assert (told.found, told.median, told.half) == (1, None, None)
    assert told.curve[-1][:2] == (0.1, 2 / 3)


def test_the_curve_falls_and_its_interval_holds_it() -> None:
    draw = random.Random(0)
    told = smallest([draw.random() for _ in range(1000)], 50, 0.95)
    assert len(told.curve) == 256
    assert told.curve[-1][1] == 0.0
    assert all(a[0] < b[0] and a[1] > b[1] for a, b in zip(told.curve, told.curve[1:], strict=False))
    assert all(low <= share <= high for _, share, low, high in told.curve)


def test_no_samples_have_no_median() -> None:
    assert smallest([], 0, 0.95).median is None
    assert smallest([], 3, 0.95).half == 0.0


@pytest.mark.parametrize("n", [1, 5, 6, 20, 101])
def test_the_medians_interval_covers_the_truth_at_least_as_often_as_it_says(n: int) -> None:
    low, high = median_ranks(n, 0.95)
    draw = random.Random(n)
    held = 0
    for _ in range(2000):
        values = sorted(draw.random() for _ in range(n))
        held += (low < 0 or values[low] <= 0.5) and (high >= n or values[high] >= 0.5)
    assert held / 2000 >= 0.94
    assert (low < 0) == (n < 6)
