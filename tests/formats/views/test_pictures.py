from __future__ import annotations

from collections import Counter

from auditor.formats.views.pictures import choose
from tests.formats.rows import row


def test_attacks_budgets_and_classes_are_shown_evenly() -> None:
    rows = [
        row(1000 * budget + i, "broken", eps=(0.1, 0.2)[budget], broken_by=("fgsm", "pgd")[i % 5 == 0], label=i // 20)
        for budget in range(2)
        for i in range(200)
    ]
    chosen = choose(rows, most=12)
    assert len(chosen) == 12
    assert set(Counter((r.eps, r.broken_by) for r in chosen).values()) == {3}
    assert max(Counter(r.label for r in chosen).values()) <= 2


def test_the_same_rows_give_the_same_choice_in_any_order() -> None:
    rows = [row(i, "broken", label=i % 3, adversarial_prediction=3 + i % 2) for i in range(50)]
    assert choose(rows) == choose(rows[::-1])


def test_no_sample_is_shown_twice_and_none_that_stood() -> None:
    rows = [row(0, "broken"), row(0, "broken", eps=0.2), row(1), row(2, "misclassified")]
    assert [r.index for r in choose(rows)] == [0]


def test_a_cause_can_be_left_out() -> None:
    rows = [row(0, "broken", broken_by="smaller-budget"), row(1, "broken")]
    assert [r.index for r in choose(rows, skip=frozenset({"smaller-budget"}))] == [1]
