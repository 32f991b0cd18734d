"""Gradients that were of no use are replaced by others, or by queries."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from auditor import Severity, straight_through
from auditor.target.head import Head
from auditor_checks.useless import UselessGradients
from tests.checks.conftest import Trained
from tests.checks.inquiries import AttackSpec, asked, inquiry_into
from tests.checks.masked import (
    Network,
    reversed_gradient,
    rounded,
    saturated,
    scaled,
    unmoved,
    unrecorded,
    without_gradient,
)
from tests.checks.scenes import target_of

MARGIN: AttackSpec = ("apgd", {"loss": "margin", "steps": 20})
STRONG: tuple[AttackSpec, ...] = (
    ("apgd", {"loss": "margin", "steps": 50}),
    ("apgd", {"loss": "dlr", "steps": 50, "start": "tiles", "restarts": 5}),
    ("square", {"queries": 2000}),
)
ENTROPY: AttackSpec = ("pgd", {"steps": 10})


def test_gradients_that_lead_uphill_are_not_doubted(gray: Trained, tmp_path: Path) -> None:
    inquiry = inquiry_into(gray.network, gray.x[:96], gray.y[:96], tmp_path, ENTROPY)
    findings, run = asked(UselessGradients, inquiry)
    assert (findings, run.outcome, run.tried) == ([], "clear", ())
    assert run.evidence["ce: lost gradients"] == 0
    assert "plot" not in run.evidence
    assert 0 < run.forwards <= 3 * 64


@pytest.fixture(scope="module")
def truth(gray: Trained, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Network], int]:
    """How many of 24 samples a network without a mask keeps under strong attacks; asked once of each."""

    @cache
    def standing(network: Network) -> int:
        run = tmp_path_factory.mktemp("honest")
        return len(inquiry_into(network, gray.x[:24], gray.y[:24], run, *STRONG).standing)

    return standing


@pytest.mark.parametrize(
    ("mask", "opened", "attack", "by"),
    [
        (scaled, None, ENTROPY, "scale of the logits"),
        (rounded, straight_through(lambda x: torch.round(16.0 * x) / 16.0), MARGIN, "pass rounding"),
        (saturated, None, MARGIN, "saturated outputs"),
        (without_gradient, None, MARGIN, "its operations"),
        (reversed_gradient, None, MARGIN, "its operations"),
        (unrecorded, None, MARGIN, "queries alone"),
    ],
)
def test_what_hides_gradients_is_got_round_and_the_true_number_found(
    gray: Trained,
    truth: Callable[[Network], int],
    tmp_path: Path,
    mask: Callable[[Any], Any],
    opened: Network | None,
    attack: AttackSpec,
    by: str,
) -> None:
    x, y = gray.x[:24], gray.y[:24]
    target = target_of(mask(gray.network))
    target.head = target.twin_head = Head.measure(target.raw(x))
    inquiry = inquiry_into(gray.network, x, y, tmp_path, attack, target=target)
    network = gray.network if opened is None else lambda x: gray.network(opened(x))
    honest = truth(network)
    assert len(inquiry.standing) > 1.5 * honest
    (finding,), run = asked(UselessGradients, inquiry)
    assert finding.severity is Severity.INFO
    assert by in finding.detail
    assert run.outcome == "mended"
    assert abs(len(inquiry.standing) - honest) <= 2


def test_how_often_steps_led_uphill_is_drawn_over_their_length(gray: Trained, tmp_path: Path) -> None:
    inquiry = inquiry_into(reversed_gradient(gray.network), gray.x[:24], gray.y[:24], tmp_path, MARGIN)
    _, run = asked(UselessGradients, inquiry)
    line = run.evidence["plot"]
    assert line["x"] == pytest.approx([0.1 / 16, 0.1 / 8, 0.1 / 4, 0.1 / 2, 0.1])
    assert line["threshold"] == 0.75
    # The step that is judged is the fourth, of half the budget.
    assert line["y"][3] == pytest.approx(run.evidence["margin: steps uphill"] / run.evidence["samples"])
    assert max(line["y"]) < 0.1, "each step against the sign of the true gradient lowers the margin"


def test_what_another_check_settled_is_not_doubted_again(gray: Trained, tmp_path: Path) -> None:
    inquiry = inquiry_into(without_gradient(gray.network), gray.x[:32], gray.y[:32], tmp_path, MARGIN)
    _, first = asked(UselessGradients, inquiry)
    assert "plot" not in first.evidence, "of gradients that are zero there is nothing to draw"
    (finding,), run = asked(UselessGradients, inquiry)
    assert (finding.severity, run.outcome, run.tried) == (Severity.INFO, "mended", ())


def test_a_model_that_nothing_moves_stays_doubtful(gray: Trained, tmp_path: Path) -> None:
    x = gray.x[:16]
    inquiry = inquiry_into(unmoved, x, torch.zeros(len(x), dtype=torch.int64), tmp_path, MARGIN)
    (finding,), run = asked(UselessGradients, inquiry)
    assert finding.severity is Severity.INCONCLUSIVE
    assert "Neither" in finding.detail
    assert len(run.tried) > 1
    assert not run.broken
