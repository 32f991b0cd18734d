"""An attack has to find the examples that are put into the ball."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from auditor import Norm, Severity, Threat
from auditor_checks._readout import binarised
from auditor_checks.binarisation import BinarisationTest
from tests.checks.conftest import Trained
from tests.checks.inquiries import asked, inquiry_into
from tests.checks.masked import unrecorded, without_gradient
from tests.checks.scenes import target_of

CLIMB = ("apgd", {"loss": "margin", "steps": 10})


def test_the_border_lies_between_the_sample_and_a_point_on_the_edge(gray: Trained) -> None:
    x, threat = gray.x[:1], Threat(norm=Norm.L2, eps=0.5)
    made = binarised(target_of(gray.network), x, threat, torch.Generator().manual_seed(0))
    assert made is not None
    torch.manual_seed(1)
    near = threat.project(x + 0.1 * torch.randn(50, *x.shape[1:]), x.expand(50, -1, -1, -1))
    answers = made.answer(torch.cat([x, x + 0.2 * (near - x)])).argmax(1)
    assert answers.tolist() == [0] * 51
    assert made.num_classes == 2


def test_an_attack_that_works_finds_them(gray: Trained, tmp_path: Path) -> None:
    inquiry = inquiry_into(gray.network, gray.x, gray.y, tmp_path, CLIMB)
    findings, run = asked(BinarisationTest, inquiry)
    assert (findings, run.outcome) == ([], "clear")
    assert run.evidence["tested"] >= 8
    assert run.evidence["missed"] <= 1


def test_what_the_longest_climb_misses_in_a_few_steps_another_of_the_plan_may_find(
    gray: Trained, tmp_path: Path
) -> None:
    threat, long = Threat(norm=Norm.LINF, eps=0.01), ("apgd", {"loss": "ce", "steps": 40})
    inquiry = inquiry_into(gray.network, gray.x, gray.y, tmp_path, CLIMB, long, threat=threat)
    findings, run = asked(BinarisationTest, inquiry)
    assert (findings, run.outcome, run.tried) == ([], "clear", ())
    assert run.evidence["missed"] > 1
    assert run.evidence["missed by every kind of climb"] <= 1


def test_one_that_is_led_nowhere_misses_them_and_nothing_mends_that(gray: Trained, tmp_path: Path) -> None:
    inquiry = inquiry_into(unrecorded(gray.network), gray.x[:48], gray.y[:48], tmp_path, CLIMB)
    (finding,), run = asked(BinarisationTest, inquiry)
    assert finding.severity is Severity.INCONCLUSIVE
    # How many a search that is led nowhere meets by chance depends on the last bits that the network was trained to.
    assert run.evidence["missed"] > 0.2 * run.evidence["tested"]


def test_a_layer_that_hands_out_no_gradient_is_carried_out_operation_by_operation(
    gray: Trained, tmp_path: Path
) -> None:
    inquiry = inquiry_into(without_gradient(gray.network), gray.x[:48], gray.y[:48], tmp_path, CLIMB)
    (finding,), run = asked(BinarisationTest, inquiry)
    assert (finding.severity, run.outcome) == (Severity.INFO, "mended")
    assert "operations" in finding.detail
    assert run.broken > 0.1 * 48


def test_behind_rounding_gradients_that_pass_it_find_them_and_what_they_break_counts(
    gray: Trained, tmp_path: Path
) -> None:
    inquiry = inquiry_into(
        lambda x: gray.network(torch.round(x * 16.0) / 16.0), gray.x[:48], gray.y[:48], tmp_path, CLIMB
    )
    before = len(inquiry.standing)
    (finding,), run = asked(BinarisationTest, inquiry)
    assert finding.severity is Severity.INFO
    assert run.outcome == "mended"
    assert "past rounding" in finding.detail
    assert len(inquiry.standing) == before - run.broken
    assert run.broken > 0.1 * 48


def test_what_finds_them_and_breaks_nothing_has_mended_nothing(gray: Trained, tmp_path: Path) -> None:
    x, y, tiny = gray.x[:16], gray.y[:16], Threat(norm=Norm.LINF, eps=1e-4)
    hidden = without_gradient(gray.network)
    (finding,), run = asked(BinarisationTest, inquiry_into(hidden, x, y, tmp_path, CLIMB, threat=tiny))
    assert run.tried
    assert (finding.severity, run.outcome, run.broken) == (Severity.WARN, "doubtful", 0)


def test_where_no_linear_layer_is_seen_or_chance_decides_it_is_not_looked_at(gray: Trained, tmp_path: Path) -> None:
    plain = inquiry_into(lambda x: x.flatten(1)[:, :10] + 0.1, gray.x[:64], gray.y[:64], tmp_path / "a", CLIMB)
    _, run = asked(BinarisationTest, plain)
    assert run.outcome == "not looked at"
    assert "linear layer" in run.detail
    target = replace(target_of(gray.network), draws=20)
    _, run = asked(BinarisationTest, inquiry_into(gray.network, gray.x, gray.y, tmp_path / "b", CLIMB, target=target))
    assert run.outcome == "not looked at"
