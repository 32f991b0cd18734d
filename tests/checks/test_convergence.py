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


def test_without_an_attack_that_takes_steps_nothing_is_asked(gray: Trained, tmp_path: Path) -> None:
    inquiry = inquiry_into(gray.network, gray.x, gray.y, tmp_path, ("square", {"queries": 10}))
    findings, run = asked(MoreSteps, inquiry)
    assert (findings, run.outcome, run.forwards) == ([], "clear", 0)
