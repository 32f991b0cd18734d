from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.formats.html.charts import steps
from auditor.formats.html.charts.curve import curve_chart
from auditor.formats.views.curve import Curve, Point
from auditor.result.smallest import smallest


def curve(sizes: list[float], wrong: int = 0, norm: str = "l2", points: tuple[Point, ...] = ()) -> Curve:
    n = len(sizes) + wrong
    clean = Point(0.0, len(sizes) / n, (0.0, 1.0))
    return Curve(norm, (clean, *points), (), smallest(sizes, wrong, 0.95))


FOUR = [0.25, 0.5, 0.75, 1.0]


def test_the_line_has_a_step_wherever_a_size_lies() -> None:
    line = steps.line(curve(FOUR), 1.0)
    assert line == "M0 0.0 H250.0 V60.0 H500.0 V120.0 H750.0 V180.0 H1000.0 V240.0 H1000"


def test_the_band_goes_along_the_upper_ends_and_back_along_the_lower_ones() -> None:
    made = curve([1.0])
    assert made.smallest is not None
    (_, _, low0, high0), (_, _, low1, high1) = made.smallest.curve
    y = [f"{240 * (1 - share):.1f}" for share in (high0, high1, low1, low0)]
    assert steps.band(made, 2.0) == f"M0 {y[0]} H500.0 V{y[1]} H1000 V{y[2]} H500.0 V{y[3]} H0 Z"


def test_robust_accuracy_is_that_of_the_last_step_before_a_budget() -> None:
    made = curve(FOUR)
    assert [steps.at(made, eps)[0] for eps in (0.0, 0.24, 0.25, 0.6, 9.0)] == [1.0, 1.0, 0.75, 0.5, 0.0]


def test_median_and_half_are_marked_where_they_meet_the_curve() -> None:
    chart = curve_chart([("m", curve([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], wrong=2))], "title")
    median, half = chart.series[0].crossings
    assert (median.label, half.label) == ("median 0.35", "half of all 0.2")
    assert median.x == pytest.approx(100 * 0.35 / 0.6)
    assert (median.y, half.y) == (240 * (1 - 0.375), 120.0)
    assert median.low <= median.x <= median.high
    assert (half.low, half.high) == (half.x, half.x)


def test_where_both_are_the_same_there_is_one_mark() -> None:
    (both,) = steps.crossings(curve([0.1, 0.2, 0.3]), 0.3)
    assert both.label == "median, and half of all 0.2"


def test_where_too_few_fell_there_is_no_mark() -> None:
    assert steps.crossings(curve([0.1, math.inf, math.inf]), 0.1) == ()


def test_a_few_samples_that_need_far_more_do_not_squeeze_the_chart() -> None:
    made = curve([1.0, 1.0, 1.0, 100.0])
    chart = curve_chart([("m", made)], "title")
    assert steps.reach(made) == 4.0
    assert chart.notes == ("The chart ends at 4, where 25.0% stand; the largest change that was needed is 100.",)
    assert chart.ticks[-1].x <= 100.0


def test_budgets_that_were_attacked_are_points_in_the_same_chart() -> None:
    chart = curve_chart([("m", curve(FOUR, points=(Point(0.5, 0.4, (0.3, 0.5)),)))], "title")
    (series,) = chart.series
    assert [(mark.x, mark.label) for mark in series.marks] == [(0.0, "clean: 100.0%"), (50.0, "l2 0.5: 40.0%")]
    assert ("0.5", "40.0%", "30.0–50.0%") in series.rows
    assert chart.stepped


def test_a_budget_at_which_more_fell_than_the_curve_says_is_pointed_out() -> None:
    points = (Point(0.5, 0.4, (0.3, 0.5)), Point(1.0, 0.0, (0.0, 0.1)))
    (note,) = curve_chart([("m", curve(FOUR, points=points))], "title").notes
    assert note == "At 0.5 the mark lies below the curve: attacks that spend that budget found more."


def test_several_models_are_laid_over_each_other_without_bands() -> None:
    chart = curve_chart([("a", curve(FOUR)), ("b", curve([2.0, 2.0, 3.0]))], "title")
    assert [bool(series.band or series.crossings) for series in chart.series] == [False, False]
    assert chart.series[0].line.endswith("V240.0 H1000")
    assert "a: clean 100.0%, 0.5 50.0%" in chart.description


@given(st.floats(1e-6, 1e6), st.sampled_from(["l2", "linf", "l0", "patch", "flow"]))
def test_ticks_are_few_and_within_the_chart(largest: float, norm: str) -> None:
    ticks = steps.round_budgets(norm, largest)
    assert ticks[0] == 0.0
    assert ticks[-1] <= largest * (1 + 1e-9)
    assert len(ticks) <= 7
    assert norm != "l0" or all(tick == int(tick) for tick in ticks)


def test_a_model_that_nothing_was_found_for_has_a_flat_line() -> None:
    chart = curve_chart([("m", curve([math.inf, math.inf]))], "title")
    assert chart.series[0].line == "M0 0.0 H1000"
    assert chart.series[0].band.endswith("H0 Z")
