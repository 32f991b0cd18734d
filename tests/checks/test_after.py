"""The checks that look at a model's record once the attacks are done."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from auditor.check import Check, Finding, Severity
from auditor.result.record import INHERITED, AttackRun
from auditor_checks.complete import SuiteComplete
from auditor_checks.refuted import RefutedExamples
from tests.checks.conftest import Trained
from tests.checks.scenes import found, record, run, scene_of

Said = Callable[..., list[Finding]]
AFTERWARDS = [RefutedExamples, SuiteComplete]


@pytest.fixture
def said(gray: Trained) -> Said:
    """What a check says of the record of these attacks on 256 samples."""

    def of(check: type[Check], *runs: AttackRun) -> list[Finding]:
        return found(check, scene_of(gray.network, gray.x, gray.y, result=record(*runs)))

    return of


@pytest.mark.parametrize("check", AFTERWARDS)
def test_nothing_is_said_where_attacks_did_their_work(said: Said, check: type[Check]) -> None:
    assert not said(check, run("noise", "labels", 40), run("apgd", "gradients", 60), run("square", "scores", 2))


@pytest.mark.parametrize("check", AFTERWARDS)
def test_nothing_is_said_before_the_attacks(gray: Trained, check: type[Check]) -> None:
    assert not found(check, gray.scene)


def test_refuted_examples_make_the_audit_inconclusive_above_half_a_percent(said: Said) -> None:
    assert not said(RefutedExamples, run("apgd", "gradients", 199, refuted=1))
    (finding,) = said(RefutedExamples, run("apgd", "gradients", 198, refuted=1), run("fgsm", "gradients", 0, refuted=1))
    assert finding.severity is Severity.INCONCLUSIVE
    assert "2 of 200" in finding.detail


def test_examples_that_a_smaller_budget_found_are_no_candidates_of_this_one(said: Said) -> None:
    inherited = run(INHERITED, "", 1000)
    (finding,) = said(RefutedExamples, inherited, run("apgd", "gradients", 99, refuted=1))
    assert "1 of 100" in finding.detail


@pytest.mark.parametrize(("status", "remedy"), [("failed", "Report"), ("timed out", "--time-limit")])
def test_an_attack_that_did_not_finish_makes_the_audit_inconclusive(said: Said, status: str, remedy: str) -> None:
    (finding,) = said(SuiteComplete, run("apgd", "gradients", 60, status=status, reason="ValueError: shapes"))
    assert finding.severity is Severity.INCONCLUSIVE
    assert "apgd" in finding.detail
    assert "ValueError: shapes" in finding.detail
    assert remedy in finding.remedy


def test_an_attack_that_does_not_fit_is_mentioned_and_one_with_nothing_left_is_not(said: Said) -> None:
    skipped = {"status": "skipped", "attacked": 0}
    (finding,) = said(
        SuiteComplete,
        run("square", "scores", 0, reason="does not work in l0", **skipped),
        run("apgd", "gradients", 0, reason="nothing was left to attack", **skipped),
        run("fgsm", "gradients", 0, reason="what a check may spend was spent", because="AUD202", **skipped),
    )
    assert finding.severity is Severity.INFO
    assert "square" in finding.detail
    assert "apgd" not in finding.detail
    assert "fgsm" not in finding.detail
