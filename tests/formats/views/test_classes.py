from __future__ import annotations

import math

import pytest

from auditor.formats.views.classes import medians, per_class
from auditor.result.statistics import wilson
from tests.formats.rows import row


def test_shares_are_of_the_samples_of_the_class() -> None:
    rows = [row(0), row(1, "broken"), row(2, "misclassified"), row(3, "not_evaluated"), row(4, label=7)]
    table = per_class(rows, 0.95)
    assert table is not None
    weak, strong = table.lines
    assert (weak.label, weak.n, weak.clean, weak.upper) == (0, 4, 0.75, 0.5)
    assert (weak.robust, weak.broken, weak.not_evaluated) == (1, 1, 1)
    assert weak.interval == wilson(2, 4, 0.95)
    assert (strong.label, strong.upper) == (7, 1.0)
    assert table.mean == 0.6
    assert table.gap == pytest.approx(0.1)


def test_the_weakest_class_comes_first_and_the_one_with_more_samples_before_that() -> None:
    rows = [row(0, "broken", label=3), row(1, "broken", label=2), row(2, "broken", label=2), row(3, label=1)]
    table = per_class(rows, 0.95)
    assert table is not None
    assert [line.label for line in table.lines] == [2, 3, 1]


def test_a_gap_within_the_interval_of_the_worst_class_may_be_chance() -> None:
    few = [row(0, "broken", label=1), row(1, label=0), row(2, label=0)]
    many = [row(i, "broken" if i % 2 else "robust", label=i % 2) for i in range(200)]
    assert per_class(few, 0.95).gap_may_be_chance  # type: ignore[union-attr]
    assert not per_class(many, 0.95).gap_may_be_chance  # type: ignore[union-attr]


def test_without_rows_there_is_no_table() -> None:
    assert per_class([], 0.95) is None


def test_medians_are_over_the_samples_of_the_class_that_are_right_and_evaluated() -> None:
    fell = [row(i, "broken", label=1, distance=size) for i, size in enumerate((0.3, 0.1, 0.2))]
    rows = [*fell, row(3, "misclassified", label=1), row(4, "not_evaluated", label=1), row(5, "broken", label=2)]
    weak, strong = medians(rows, 0.95)
    assert (weak.label, weak.n, weak.correct, weak.found, weak.median) == (2, 1, 1, 1, 0.1)
    assert (strong.label, strong.n, strong.correct, strong.found, strong.median) == (1, 5, 3, 3, 0.2)


def test_a_class_that_mostly_stands_has_no_median_and_comes_last() -> None:
    rows = [row(0, label=4), row(1, label=4), row(2, "broken", label=4), row(3, "broken", label=7)]
    assert [line.label for line in medians(rows, 0.95)] == [7, 4]
    assert medians(rows, 0.95)[1].median == math.inf
    assert medians([row(0, "misclassified")], 0.95) == ()
