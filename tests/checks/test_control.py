"""The plan's attacks are tried on a model whose exact answer is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditor import Attack, Norm, Severity, Threat
from auditor.selftest.attacks import Crashing, Idle, Lost
from auditor_checks.control import UndefendedControl
from tests.checks.conftest import Trained
from tests.checks.inquiries import AttackSpec, asked, inquiry_into

BUDGETS = {Norm.LINF: 0.1, Norm.L2: 0.5, Norm.L1: 2.0, Norm.L0: 3.0}


@pytest.mark.parametrize(
    ("norm", "attack"),
    [
        (Norm.LINF, ("fgsm", {})),
        (Norm.LINF, ("apgd", {"loss": "margin", "steps": 20})),
        (Norm.LINF, ("apgd", {"loss": "dlr-targeted", "steps": 20, "targets": 3})),
        (Norm.LINF, ("pgd", {"steps": 20})),
        (Norm.L2, ("pgd", {"steps": 20})),
        (Norm.L1, ("apgd", {"steps": 40})),
        (Norm.L0, ("sigma-zero", {"steps": 60})),
    ],
)
def test_attacks_that_work_break_what_a_formula_breaks(
    gray: Trained, tmp_path: Path, norm: Norm, attack: AttackSpec
) -> None:
    threat = Threat(norm=norm, eps=BUDGETS[norm])
    inquiry = inquiry_into(gray.network, gray.x[:96], gray.y[:96], tmp_path, attack, threat=threat)
    findings, run = asked(UndefendedControl, inquiry)
    assert (findings, run.outcome) == ([], "clear")
    ((_, fell),) = run.evidence.items()
    assert fell >= 8


@pytest.mark.parametrize("attack", [Idle(), Lost(), Crashing()], ids=lambda attack: attack.name)
def test_an_attack_that_does_not_work_is_named_and_replaced(gray: Trained, tmp_path: Path, attack: Attack) -> None:
    inquiry = inquiry_into(gray.network, gray.x[:96], gray.y[:96], tmp_path, attack)
    make = inquiry.make
    inquiry.make = lambda name, parameters: attack if name == attack.name else make(name, parameters)
    findings, run = asked(UndefendedControl, inquiry)
    assert [finding.severity for finding in findings] == [Severity.INFO]
    assert attack.name in findings[0].detail
    assert run.broken > 0.2 * len(gray.x[:96])


def test_a_broken_attack_among_others_that_work_is_a_warning(gray: Trained, tmp_path: Path) -> None:
    inquiry = inquiry_into(gray.network, gray.x[:96], gray.y[:96], tmp_path, Idle(), ("pgd", {"steps": 10}))
    make = inquiry.make
    inquiry.make = lambda name, parameters: Idle() if name == Idle.name else make(name, parameters)
    (finding,), run = asked(UndefendedControl, inquiry)
    assert finding.severity is Severity.WARN
    assert Idle.name in finding.detail
    assert "pgd" not in finding.detail
    assert not run.tried


def test_samples_of_one_class_are_split_by_turns(gray: Trained, tmp_path: Path) -> None:
    ones = gray.y == 1
    inquiry = inquiry_into(gray.network, gray.x[ones], gray.y[ones], tmp_path, ("pgd", {"steps": 10}))
    findings, run = asked(UndefendedControl, inquiry)
    assert not findings
    assert run.evidence
