"""A class that no sample has, and that answers attacks, is a refusal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from auditor import Norm, Severity, Threat
from auditor.engine.inquiry import Inquiry
from auditor_checks._base import percent
from auditor_checks.abstention import Abstention, _auc, _over_refusals
from tests.checks.conftest import Trained
from tests.checks.inquiries import asked, inquiry_into
from tests.checks.scenes import target_of

CLIMB = ("apgd", {"loss": "margin", "steps": 10})


def detecting(gray: Trained, run: Path, spare: float) -> Inquiry:
    """Into attacks on a model with an eleventh class, which grows with how much rougher a picture is than half of the
    clean ones, and than `spare`."""

    def rough(x: Tensor) -> Tensor:
        return (x - functional.avg_pool2d(x, 3, 1, 1)).square().mean((1, 2, 3))

    level = float(rough(gray.x).median()) + spare

    def network(x: Tensor) -> Tensor:
        return torch.cat([gray.network(x), 200.0 * (rough(x) - level)[:, None]], 1)

    target = target_of(network, num_classes=11)
    return inquiry_into(network, gray.x, gray.y, run, CLIMB, target=target, threat=Threat(norm=Norm.LINF, eps=0.1))


def test_where_attacks_end_in_a_class_of_no_sample_both_ways_to_count_are_said(gray: Trained, tmp_path: Path) -> None:
    inquiry = detecting(gray, tmp_path, 0.0)
    for settings in ({}, {"abstain": "10"}):
        (finding,), run = asked(Abstention, inquiry, **settings)
        assert finding.severity is Severity.WARN
    fell = [found.prediction for _, found in inquiry.found.broken_by.values()]
    assert run.evidence["refused"] == fell.count(10) > 25
    n, silent = len(gray.x), run.evidence["refused_as_they_are"]
    fooled = run.evidence["refused, and given a real class by attacks that avoid it"]
    most = (len(inquiry.standing) + fell.count(10) - fooled + silent) / n
    assert silent > 0
    assert (
        f"at most {percent(most)} where they count as right, of which {percent(silent / n)} are refused"
        in finding.detail
    )
    curve = run.evidence["plot"]["y"]
    assert curve[0] == pytest.approx(len(inquiry.standing) / len(gray.x))
    assert max(curve) > curve[0]


def shy(gray: Trained, run: Path, silent: float, *attacks: Any) -> Inquiry:
    """Into attacks on a model that refuses whatever has a corner brighter than `silent`."""

    def network(x: Tensor) -> Tensor:
        return torch.cat([gray.network(x), 1000.0 * (x[:, :1, 0, 0] - silent)], 1)

    x, y = gray.x[gray.x[:, 0, 0, 0] == 0.0][:80], gray.y[gray.x[:, 0, 0, 0] == 0.0][:80]
    return inquiry_into(network, x, y, run, *(attacks or (CLIMB,)), target=target_of(network, num_classes=11))


def test_attacks_that_avoid_the_refusal_give_the_refused_a_real_class(gray: Trained, tmp_path: Path) -> None:
    inquiry = shy(gray, tmp_path / "shy", 0.03)
    (finding,), run = asked(Abstention, inquiry)
    refused, fooled = run.evidence["refused"], run.evidence["refused, and given a real class by attacks that avoid it"]
    x, y = inquiry.fetch(inquiry.correct)
    plain = inquiry_into(gray.network, x, y, tmp_path / "plain", CLIMB)
    assert refused > 30
    # Whoever falls where nobody refuses, falls: the corner is one pixel of many.
    fell = len(plain.correct) - len(plain.standing)
    assert fooled + len(inquiry.broken_by("apgd", "transfer")) - refused == pytest.approx(fell, abs=4)
    assert f"a real class for {fooled} of them" in finding.detail
    assert run.doubt


def test_what_stood_and_falls_to_attacks_that_avoid_the_refusal_counts(gray: Trained, tmp_path: Path) -> None:
    inquiry = shy(gray, tmp_path, 0.5, ("noise", {"draws": 1}))
    before = len(inquiry.standing)
    (finding,), run = asked(Abstention, inquiry)
    assert finding.severity is Severity.WARN  # noise is refused, though no sample fell to a refusal
    assert run.evidence["refused"] == 0
    assert len(inquiry.standing) == before - run.broken < before


def test_where_no_further_attack_may_run_the_refusals_are_counted_alone(gray: Trained, tmp_path: Path) -> None:
    inquiry = shy(gray, tmp_path, 0.03)
    inquiry.escalation = False
    (finding,), run = asked(Abstention, inquiry)
    assert "attacked towards real classes" not in run.evidence
    assert "avoid" not in finding.detail


def test_a_class_that_nothing_gets_is_no_refusal(gray: Trained, tmp_path: Path) -> None:
    findings, run = asked(Abstention, shy(gray, tmp_path, 2.0))
    assert findings == []
    assert run.evidence["of them refused"] == 0


def test_nothing_is_guessed_where_every_class_has_samples(gray: Trained, tmp_path: Path) -> None:
    inquiry = inquiry_into(gray.network, gray.x, gray.y, tmp_path, CLIMB)
    findings, run = asked(Abstention, inquiry)
    assert (findings, run.outcome, run.forwards) == ([], "clear", 0)


@pytest.mark.parametrize(("count", "told"), [(48, False), (49, True)])
def test_a_class_that_may_be_missing_by_chance_is_not_guessed_to_be_a_refusal(
    gray: Trained, tmp_path: Path, count: int, told: bool
) -> None:
    # Of eleven classes one is missing among 48 samples with a chance of (10/11)^48 = 1.03 %, among 49 with 0.94 %.
    first = [int((gray.y == label).nonzero()[0, 0]) for label in range(10)]
    rows = [*first, *(i for i in range(len(gray.y)) if i not in first)][:count]
    few = Trained(gray.network, gray.x[rows], gray.y[rows])
    findings, _ = asked(Abstention, detecting(few, tmp_path, 0.0))
    assert bool(findings) == told


def test_a_class_that_is_named_is_looked_at_and_one_that_is_not_there_is_said(gray: Trained, tmp_path: Path) -> None:
    inquiry = detecting(gray, tmp_path, 9.0)
    (finding,), _ = asked(Abstention, inquiry, abstain="10")
    assert finding.severity is Severity.INFO
    _, run = asked(Abstention, inquiry, abstain="reject")
    assert run.outcome == "not looked at"
    assert "'reject'" in run.detail
    # A digit that is no number.
    findings, run = asked(Abstention, inquiry, abstain="²")
    assert (findings, "no such class" in run.detail) == ([], True)


def test_that_no_sample_has_the_class_is_said_where_it_is_so(gray: Trained, tmp_path: Path) -> None:
    inquiry = detecting(gray, tmp_path, 0.0)
    details = [asked(Abstention, inquiry, abstain=name)[0][0].detail for name in ("10", "3")]
    assert ["which no sample has" in detail for detail in details] == [True, False]


def test_refusing_the_least_sure_leaves_the_share_that_is_right_of_the_rest() -> None:
    sure, right = np.linspace(0.0, 1.0, 20), np.arange(20) >= 10
    curve = _over_refusals(sure, right)
    assert curve[0] == 0.5
    assert curve[5] == pytest.approx(10 / 15)
    assert curve[10] == 1.0


def test_the_area_is_the_chance_that_a_clean_answer_is_surer() -> None:
    assert _auc(np.array([0.9, 0.8]), np.array([0.1, 0.2])) == 1.0
    assert _auc(np.array([0.5]), np.array([0.5])) == 0.5
    assert _auc(np.array([0.9, 0.1]), np.array([0.5])) == 0.5
    assert _auc(np.array([]), np.array([0.5])) is None
