from __future__ import annotations

import pytest

from auditor.formats.views.classes import per_class
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
