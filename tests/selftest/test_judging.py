"""What counts as named, as left in peace, and as true."""

from __future__ import annotations

from auditor.selftest.case import Case
from auditor.selftest.judging import Judged
from auditor.selftest.running import Outcome

BROKEN = Case(name="b", model="m", wrong="something", codes=("AUD113", "AUD202"))
HONEST = Case(name="h", model="m")


def said(case: Case, raised: dict[str, str], reported: float | None = None, truth: float | None = None) -> Judged:
    return Judged(case, Outcome(case=case.name, verdict="pass", raised=raised, reported=reported), truth)


def test_a_failure_is_named_by_any_of_its_codes_and_by_no_other() -> None:
    assert said(BROKEN, {"AUD202": "warn"}).good
    assert not said(BROKEN, {"AUD104": "block"}).good
    assert not said(BROKEN, {}).good


def test_a_doubt_that_is_information_counts_once_the_figure_is_the_true_one() -> None:
    assert not said(BROKEN, {"AUD113": "info"}, 0.9, 0.2).good
    assert said(BROKEN, {"AUD113": "info"}, 0.23, 0.21).good, "two samples of a hundred, whatever floats make of it"
    assert not said(BROKEN, {"AUD113": "info"}, 0.24, 0.21).good
    assert not said(BROKEN, {}, 0.2, 0.2).good


def test_a_doubt_that_was_mended_names_the_failure_and_leaves_an_honest_model_in_peace() -> None:
    def mended(case: Case, reported: float) -> Judged:
        return Judged(case, Outcome(case="c", verdict="pass", mended=("AUD202",), reported=reported), 0.2)

    assert mended(BROKEN, 0.2).good
    assert not mended(BROKEN, 0.5).good, "what was mended has to be whole"
    assert mended(HONEST, 0.2).good


def test_an_honest_model_bears_information_and_nothing_more() -> None:
    assert said(HONEST, {"AUD109": "info"}).good
    assert not said(HONEST, {"AUD109": "warn"}).good


def test_a_computed_truth_has_to_be_met_to_the_sample() -> None:
    exact = Case(name="e", model="m", exact=True)
    assert said(exact, {}, 0.55, 0.55).good
    assert not said(exact, {}, 0.56, 0.55).good
    assert not said(exact, {}, 0.54, 0.55).good


def test_a_model_is_flattered_where_it_is_called_more_robust_than_it_is() -> None:
    assert said(BROKEN, {}, 0.9, 0.2).flattered
    assert not said(BROKEN, {}, 0.21, 0.2).flattered
    assert not said(BROKEN, {}, None, 0.2).flattered


def test_an_audit_that_ended_in_an_error_leaves_nobody_in_peace() -> None:
    outcome = Outcome(case="h", verdict="error", raised={})
    assert not Judged(HONEST, outcome, None).good
