"""With the whole range for a budget, every sample falls."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from auditor import Norm, Severity, Threat
from auditor.selftest.networks import digits, linear
from auditor_checks._ways import leading
from auditor_checks.full_range import FallsToChance, UnboundedAttack, whole_range
from tests.checks.conftest import Trained
from tests.checks.inquiries import asked, inquiry_into
from tests.checks.masked import reversed_gradient, unmoved

CLIMB = ("apgd", {"loss": "margin", "steps": 20})


@pytest.mark.parametrize("norm", [Norm.LINF, Norm.L2])
def test_an_honest_model_falls_and_the_series_stops_there(gray: Trained, tmp_path: Path, norm: Norm) -> None:
    threat = Threat(norm=norm, eps={Norm.LINF: 0.03, Norm.L2: 0.2}[norm])
    inquiry = inquiry_into(gray.network, gray.x[:64], gray.y[:64], tmp_path, CLIMB, threat=threat)
    for check in (UnboundedAttack, FallsToChance):
        findings, run = asked(check, inquiry)
        assert (findings, run.outcome) == ([], "clear")
    line = run.evidence["plot"]
    assert line["x"] == pytest.approx([0.0, *(threat.eps * 2.0**i for i in range(len(line["x"]) - 1))])
    assert line["y"] == sorted(line["y"], reverse=True)
    assert line["y"][-1] == 0.0 < line["y"][-2]
    assert line["x"][-1] < whole_range(threat, (1, 8, 8))
    assert run.forwards == 0, "the second check reads the series of the first"


def test_what_a_single_step_across_the_whole_range_goes_past_a_climb_tries_before_anything_is_doubted(
    tmp_path: Path,
) -> None:
    x, y = (part[:100] for part in digits())
    network, threat = linear(), Threat(norm=Norm.LINF, eps=0.05)
    inquiry = inquiry_into(network, x, y, tmp_path, ("fgsm", {}), CLIMB, threat=threat)
    assert leading(inquiry).attack == "fgsm"  # type: ignore[union-attr]
    findings, run = asked(UnboundedAttack, inquiry)
    assert (findings, run.outcome, run.tried) == ([], "clear", ())
    assert run.evidence["survivors"] == []


def test_an_attack_that_was_misled_is_replaced_by_one_that_breaks_the_survivors(gray: Trained, tmp_path: Path) -> None:
    network = reversed_gradient(gray.network)
    inquiry = inquiry_into(network, gray.x[:64], gray.y[:64], tmp_path, CLIMB)
    before = len(inquiry.standing)
    findings, run = asked(UnboundedAttack, inquiry)
    assert [finding.severity for finding in findings] == [Severity.INFO]
    assert {"square", "square#2"} <= set(run.tried)
    assert len(inquiry.standing) == before - run.broken < before
    findings, _ = asked(FallsToChance, inquiry)
    assert not findings


def test_a_model_that_refuses_to_move_stays_doubtful_and_survivors_are_named(gray: Trained, tmp_path: Path) -> None:
    x = gray.x[:16]
    inquiry = inquiry_into(unmoved, x, torch.zeros(len(x), dtype=torch.int64), tmp_path, CLIMB)
    (finding,), run = asked(UnboundedAttack, inquiry)
    assert finding.severity is Severity.INCONCLUSIVE
    assert run.evidence["survivors"]
    assert set(run.evidence["survivors"]) <= set(inquiry.standing.tolist())
    (finding,), _ = asked(FallsToChance, inquiry)
    assert finding.severity is Severity.INCONCLUSIVE
    assert finding.evidence["plot"]["threshold"] == 0.1


def test_the_whole_range_is_the_budget_that_holds_every_image() -> None:
    sizes = [whole_range(Threat(norm=norm, eps=1.0), (3, 4, 4)) for norm in (Norm.LINF, Norm.L2, Norm.L1, Norm.L0)]
    assert sizes == pytest.approx([1.0, math.sqrt(48.0), 48.0, 48.0])
