"""Attacks that were ended too early are gone on with."""

from __future__ import annotations

from pathlib import Path

from auditor import Norm, Severity, Threat
from auditor_checks.convergence import MoreSteps
from tests.checks.conftest import Trained
from tests.checks.inquiries import asked, inquiry_into


def test_a_search_that_was_done_is_not_doubted(gray: Trained, tmp_path: Path) -> None:
    long = ("apgd", {"loss": "margin", "steps": 50, "restarts": 3})
    inquiry = inquiry_into(gray.network, gray.x, gray.y, tmp_path, long, threat=Threat(norm=Norm.LINF, eps=0.03))
    findings, run = asked(MoreSteps, inquiry)
    assert not findings
    assert run.outcome == "clear"
    assert run.tried


def test_a_search_that_was_ended_too_early_is_gone_on_with_until_nothing_falls(gray: Trained, tmp_path: Path) -> None:
    short = ("pgd", {"steps": 2, "step_size": 0.2})
    inquiry = inquiry_into(gray.network, gray.x, gray.y, tmp_path, short)
    before = len(inquiry.standing)
    findings, run = asked(MoreSteps, inquiry)
    assert run.doubt
    assert run.broken > 0.1 * len(gray.x)
    assert len(inquiry.standing) == before - run.broken
    assert (run.outcome == "mended") == all(finding.severity is Severity.INFO for finding in findings)
    assert len(run.tried) > 1


def test_without_escalation_nothing_more_is_run(gray: Trained, tmp_path: Path) -> None:
    short = ("pgd", {"steps": 2, "step_size": 0.2})
    inquiry = inquiry_into(gray.network, gray.x, gray.y, tmp_path, short, escalation=False)
    before = len(inquiry.standing)
    _, run = asked(MoreSteps, inquiry)
    assert len(inquiry.standing) == before
    assert not run.tried


def test_where_nothing_follows_gradients_queries_are_doubled(gray: Trained, tmp_path: Path) -> None:
    inquiry = inquiry_into(gray.network, gray.x, gray.y, tmp_path, ("square", {"queries": 10}))
    before = len(inquiry.standing)
    _, run = asked(MoreSteps, inquiry)
    assert run.doubt
    assert {"broken by 20 queries", "broken by 40 queries"} <= set(run.evidence)
    assert len(inquiry.standing) == before - run.broken < before


def test_without_steps_and_queries_nothing_is_asked(gray: Trained, tmp_path: Path) -> None:
    inquiry = inquiry_into(gray.network, gray.x, gray.y, tmp_path, ("noise", {"draws": 10}))
    findings, run = asked(MoreSteps, inquiry)
    assert (findings, run.outcome, run.forwards) == ([], "clear", 0)


def test_the_kind_of_climb_that_broke_the_most_is_gone_on_with(gray: Trained, tmp_path: Path) -> None:
    # The longest is not the strongest: it came when little was left.
    plan = ("pgd", {"loss": "margin", "steps": 8}), ("apgd", {"loss": "ce", "steps": 30})
    inquiry = inquiry_into(gray.network, gray.x, gray.y, tmp_path, *plan, threat=Threat(norm=Norm.LINF, eps=0.06))
    _, run = asked(MoreSteps, inquiry)
    (again, *_) = (tried for tried in inquiry.runs if tried.because)
    assert (again.attack, again.parameters["loss"], again.parameters["steps"]) == ("pgd", "margin", 16)
    assert run.tried
