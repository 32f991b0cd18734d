from __future__ import annotations

from auditor.formats.views.mistakes import OTHER, mistakes
from tests.formats.rows import row


def test_rows_are_true_classes_and_columns_what_they_were_taken_for() -> None:
    rows = [
        row(0, "broken", label=0, adversarial_prediction=2),
        row(1, "broken", label=0, adversarial_prediction=2),
        row(2, "broken", label=2, adversarial_prediction=5),
        row(3, "misclassified", label=5, clean_prediction=0),
    ]
    matrix = mistakes(rows)
    assert matrix is not None
    assert matrix.labels == (0, 2, 5)
    assert matrix.counts == ((0, 2, 0), (0, 0, 1), (0, 0, 0))
    assert matrix.top == ((0, 2, 2), (2, 5, 1))
    assert (matrix.total, matrix.largest) == (3, 2)


def test_many_classes_share_a_line_and_no_sample_is_lost() -> None:
    rows = [row(i, "broken", label=i % 500, adversarial_prediction=999 - i % 500) for i in range(2000)]
    rows += [row(i, "broken", label=7, adversarial_prediction=8) for i in range(2000, 2100)]
    matrix = mistakes(rows, most=4)
    assert matrix is not None
    assert len(matrix.labels) == 5
    assert {7, 8} < set(matrix.labels)
    assert matrix.labels[-1] == OTHER
    assert sum(map(sum, matrix.counts)) == matrix.total == 2100
    assert matrix.top[0] == (7, 8, 100)
    assert matrix.largest == 100


def test_where_nothing_was_broken_there_is_no_matrix() -> None:
    assert mistakes([row(0), row(1, "misclassified")]) is None
