"""Two runs' smallest changes, sample by sample."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from auditor.result.comparison import change_of, compare_runs
from auditor.result.run import Run
from auditor.result.samples_csv import Row
from tests.formats.beyond import MODELS, WRONG, N, write_beyond
from tests.formats.rows import row


def sized(index: int, size: float, right: bool = True) -> Row:
    """A sample whose smallest change has this size; none was found where it is infinite."""
    found = math.isfinite(size)
    outcome = "misclassified" if not right else "broken" if found else "robust"
    return row(index, outcome, eps=math.inf, clean_correct=right, distance=size if found else None)


def pairs(*sizes: tuple[float, float]) -> list[tuple[Row, Row]]:
    return [(sized(i, old), sized(i, new)) for i, (old, new) in enumerate(sizes)]


def test_each_sample_is_compared_with_itself() -> None:
    change = change_of(pairs((1.0, 0.5), (2.0, 1.0), (3.0, 3.0), (4.0, 5.0)))
    assert (change.n, change.smaller, change.larger, change.unknown) == (4, 2, 1, 0)
    assert (change.before, change.after, change.ratio) == (2.5, 2.0, 0.8)
    assert change.word == "no more than chance"


def test_the_sign_test_is_exact() -> None:
    change = change_of(pairs(*[(1.0, 0.9)] * 6))
    assert change.p == pytest.approx(2 * 0.5**6)
    assert change.word == "worse"
    assert change_of(pairs(*[(0.9, 1.0)] * 6)).word == "better"
    assert change_of(pairs(*[(1.0, 0.9)] * 5)).word == "no more than chance"


def test_what_was_not_found_is_larger_than_whatever_was() -> None:
    change = change_of(pairs((math.inf, 3.0), (math.inf, math.inf), (2.0, math.inf)))
    assert (change.smaller, change.larger) == (1, 1)
    assert (change.before, change.after, change.ratio) == (None, None, None)


def test_rounding_is_no_change() -> None:
    change = change_of(pairs((1.0, 1.0 + 1e-8), (2.0, 2.0 - 1e-8)))
    assert (change.smaller, change.larger, change.word) == (0, 0, "same")


def test_samples_that_are_wrong_in_one_run_are_left_to_clean_accuracy() -> None:
    rows = [(sized(0, 1.0), sized(0, 0.0, right=False)), (sized(1, 1.0), sized(1, 2.0))]
    assert change_of(rows).n == 1


def test_samples_that_were_not_evaluated_are_neither() -> None:
    rows = [(sized(0, 1.0), row(0, "not_evaluated", eps=math.inf)), (sized(1, 1.0), sized(1, 2.0))]
    change = change_of(rows)
    assert (change.n, change.unknown, change.larger) == (1, 1, 1)
    assert change_of(rows[:1]).before is None


def test_runs_that_looked_for_the_smallest_changes_are_compared(tmp_path: Path) -> None:
    before = Run(write_beyond(tmp_path / "before", ("hard",)))
    after = Run(write_beyond(tmp_path / "after", ("soft",)))
    comparison = compare_runs(before, after)
    (pair,) = comparison.sizes
    assert (pair.model, pair.norm, pair.worse) == ("soft", "l2", True)
    assert (pair.change.n, pair.change.smaller) == (N - WRONG, N - WRONG)
    assert pair.change.ratio == pytest.approx(MODELS["soft"] / MODELS["hard"])
    assert {other.norm for other in comparison.pairs} == {"", "l2", "spatial", "flow", "patch"}
    assert not any(math.isinf(other.eps) for other in comparison.pairs)


def test_another_goal_is_another_question_and_settings_that_are_new_count_as_what_runs_did_before(
    tmp_path: Path,
) -> None:
    before = Run(write_beyond(tmp_path / "before", ("soft",)))
    after = Run(write_beyond(tmp_path / "after", ("soft",), "untargeted"))
    assert compare_runs(before, after).notes == ("the runs differ in goal, so the model is not all that changed",)
    old = {key: value for key, value in after.result.settings.items() if key != "goal"}
    assert compare_runs(Run(after.path, after.result.model_copy(update={"settings": old})), after).notes == ()
