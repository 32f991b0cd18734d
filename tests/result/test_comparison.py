"""Two runs' smallest changes, sample by sample."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from auditor.errors import UsageError
from auditor.result.comparison import change_of, compare_runs, drop_of
from auditor.result.record import Finding
from auditor.result.run import Run
from auditor.result.samples_csv import Row, write_rows
from auditor.result.shared import numbered
from auditor.result.statistics import mcnemar
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
    assert mcnemar(0, 76) == pytest.approx(2 * 0.5**76)


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
    assert (pair.model, pair.norm, pair.change.word) == ("soft", "l2", "worse")
    assert comparison.worse
    assert (pair.change.n, pair.change.smaller) == (N - WRONG, N - WRONG)
    assert pair.change.ratio == pytest.approx(MODELS["soft"] / MODELS["hard"])
    assert {other.norm for other in comparison.pairs} == {"", "l2", "spatial", "flow", "patch"}
    assert not any(math.isinf(other.eps) for other in comparison.pairs)


def test_another_goal_is_another_question_and_settings_that_are_new_count_as_what_runs_did_before(
    tmp_path: Path,
) -> None:
    before = Run(write_beyond(tmp_path / "before", ("soft",)))
    after = Run(write_beyond(tmp_path / "after", ("soft",), "untargeted"))
    assert compare_runs(before, after).doubts == ("the runs differ in goal, so the model is not all that changed",)
    old = {key: value for key, value in after.result.settings.items() if key != "goal"}
    assert compare_runs(Run(after.path, after.result.model_copy(update={"settings": old})), after).doubts == ()


def flags(lost: int, gained: int, n: int) -> list[tuple[bool, bool]]:
    return [(True, False)] * lost + [(False, True)] * gained + [(True, True)] * (n - lost - gained)


def test_a_regression_is_beyond_chance_and_larger_than_a_point() -> None:
    assert drop_of(flags(30, 2, 1000)).word == "worse"
    assert drop_of(flags(9, 0, 1000)).word == "slightly worse"
    assert drop_of(flags(30, 2, 3200)).word == "slightly worse"
    assert drop_of(flags(5, 0, 100)).word == "no more than chance"
    assert drop_of(flags(2, 30, 1000)).word == "better"
    assert drop_of(flags(0, 0, 1000)).word == "same"


def write(folder: Path, standing: dict[str, bool], sha256: str = "1" * 64, **settings: object) -> Run:
    """A run over samples named by their digests, under three budgets in each of which the same ones stand."""
    folder.mkdir()
    rows = [
        row(i, "robust" if stands else "broken", eps=eps, model="soft", digest=name)
        for eps in (0.1, 0.2, 0.3)
        for i, (name, stands) in enumerate(standing.items())
    ]
    write_rows(folder / "samples.csv", rows)
    result = Run(write_beyond(folder / "other", ("soft",))).result
    (model,) = result.models
    threats = [model.threats[0].model_copy(update={"norm": "linf", "eps": eps}) for eps in (0.1, 0.2, 0.3)]
    update = {
        "models": (model.model_copy(update={"threats": tuple(threats)}),),
        "data": result.data.model_copy(update={"n": len(standing), "sha256": sha256}),
        "settings": result.settings | settings,
    }
    return Run(folder, result.model_copy(update=update))


def test_p_values_are_corrected_for_how_many_comparisons_there_are(tmp_path: Path) -> None:
    before = write(tmp_path / "before", {f"{i}": True for i in range(100)})
    after = write(tmp_path / "after", {f"{i}": i >= 7 for i in range(100)})
    comparison = compare_runs(before, after)
    assert [pair.norm for pair in comparison.pairs] == ["", "linf", "linf", "linf"]
    assert [pair.drop.p for pair in comparison.pairs[1:]] == pytest.approx([4 * mcnemar(7, 0)] * 3)
    assert not comparison.worse
    worse = write(tmp_path / "worse", {f"{i}": i >= 10 for i in range(100)})
    assert compare_runs(before, worse).worse


def test_runs_over_different_samples_are_compared_on_those_that_both_hold_and_say_so(tmp_path: Path) -> None:
    before = write(tmp_path / "before", {f"{i}": True for i in range(60)})
    # The order differs, and some are new.
    names = [f"{i}" for i in range(99, 19, -1)]
    after = write(tmp_path / "after", {name: int(name) >= 50 for name in names}, "2" * 64)
    comparison = compare_runs(before, after)
    assert {(pair.drop.n, pair.drop.lost, pair.drop.gained) for pair in comparison.pairs[1:]} == {(40, 30, 0)}
    assert "different samples (60 and 80); only the 40 that both hold are compared" in comparison.notes[0]
    assert comparison.doubts == ()


def test_runs_without_a_common_sample_are_refused(tmp_path: Path) -> None:
    before = write(tmp_path / "before", {f"{i}": True for i in range(5)})
    after = write(tmp_path / "after", {f"{i}": True for i in range(5, 9)}, "2" * 64)
    with pytest.raises(UsageError, match="none is known to be in both"):
        compare_runs(before, after)


def test_runs_whose_samples_have_no_digests_are_not_matched_by_position(tmp_path: Path) -> None:
    before = write(tmp_path / "before", {"": True})
    after = write(tmp_path / "after", {"": True}, "2" * 64)
    with pytest.raises(UsageError, match="none is known to be in both"):
        compare_runs(before, after)


def test_samples_that_look_alike_are_matched_one_to_one() -> None:
    assert list(numbered([(0, "a"), (3, "b"), (4, "a")])) == [(0, ("a", 0)), (3, ("b", 0)), (4, ("a", 1))]


def test_other_label_sets_and_versions_are_said(tmp_path: Path) -> None:
    names = {f"{i}": True for i in range(5)}
    before, after = write(tmp_path / "before", names), write(tmp_path / "after", names, tolerance=0.1)
    update = {"environment": {"auditor": "0.0"}, "data": before.result.data.model_copy(update={"classes": ("x", "y")})}
    comparison = compare_runs(Run(before.path, before.result.model_copy(update=update)), after)
    assert [doubt.split(",")[0] for doubt in comparison.doubts] == [
        "the runs differ in tolerance",
        "the data of the two runs name their classes differently",
    ]
    assert "different versions of auditor (0.0 and" in comparison.notes[0]


@pytest.mark.parametrize("key", ["escalation", "precision", "without", "eot", "bpda"])
def test_settings_that_decide_how_hard_was_searched_are_doubts(tmp_path: Path, key: str) -> None:
    names = {f"{i}": True for i in range(5)}
    before, after = write(tmp_path / "before", names), write(tmp_path / "after", names)
    other = before.result.model_copy(update={"settings": before.result.settings | {key: "another"}})
    assert compare_runs(Run(before.path, other), after).doubts == (
        f"the runs differ in {key}, so the model is not all that changed",
    )


@pytest.mark.parametrize(("kinds", "followed"), [(("none", "twin"), "later"), (("native", "none"), "earlier")])
def test_gradients_that_only_one_audit_followed_are_a_doubt(
    tmp_path: Path, kinds: tuple[str, str], followed: str
) -> None:
    names = {f"{i}": True for i in range(5)}
    before, after = (_with_gradients(write(tmp_path / kind, names), kind) for kind in kinds)
    assert f"followed gradients in the {followed} audit only" in compare_runs(before, after).doubts[0]
    assert compare_runs(before, before).doubts == ()


def _with_gradients(run: Run, kind: str) -> Run:
    models = tuple(model.model_copy(update={"gradients": kind}) for model in run.result.models)
    return Run(run.path, run.result.model_copy(update={"models": models}))


def test_an_audit_that_cannot_be_trusted_and_another_name_are_said(tmp_path: Path) -> None:
    before, after = Run(write_beyond(tmp_path / "a", ("soft",))), Run(write_beyond(tmp_path / "b", ("hard",)))
    doubt = Finding(code="AUD221", severity="inconclusive", title="t", detail="d")
    model = after.result.models[0].model_copy(update={"findings": (doubt,)})
    doubted = Run(after.path, after.result.model_copy(update={"models": (model,)}))
    notes = compare_runs(before, doubted).notes
    assert "soft is compared with hard, the only models of these runs" in notes
    assert "the later audit of hard cannot be trusted to the end: AUD221" in notes
    assert not any("cannot be trusted" in note for note in compare_runs(before, before).notes)
