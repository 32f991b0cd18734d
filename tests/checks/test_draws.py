"""Models that answer at random: do attacks average over enough draws, and is chance all that protects them?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from auditor import Norm, Severity, Threat
from auditor.engine.inquiry import Inquiry
from auditor.target.chance import fixed
from auditor_checks.draws import EnoughDraws
from auditor_checks.fixed_draw import FixedDraw
from tests.checks.conftest import Trained
from tests.checks.inquiries import asked, inquiry_into
from tests.checks.scenes import target_of

THREAT = Threat(norm=Norm.LINF, eps=0.1)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def noisy(gray: Trained, scale: float) -> Callable[[Tensor], Tensor]:
    return lambda x: gray.network(x + scale * torch.randn_like(x))


def inquiry(gray: Trained, run: Path, network: Callable[[Tensor], Tensor], draws: int, **climb: Any) -> Inquiry:
    """Into a scan that averaged over so many draws."""
    target = replace(target_of(network), draws=10)
    attack = ("apgd", {"loss": "margin", **climb})
    opened = inquiry_into(network, gray.x[:128], gray.y[:128], run, attack, target=target, threat=THREAT)
    opened.batches.ring = replace(opened.batches.ring, draws=draws)
    return opened


def test_one_draw_is_not_enough_and_more_break_samples_that_count(gray: Trained, tmp_path: Path) -> None:
    opened = inquiry(gray, tmp_path, noisy(gray, 0.3), 1, steps=1)
    before = len(opened.standing)
    (finding,), run = asked(EnoughDraws, opened)
    assert "2 draws broke" in run.doubt
    assert run.broken > 2
    assert len(opened.standing) == before - run.broken
    assert (finding.severity is Severity.INFO) == (run.outcome == "mended")


def test_where_more_draws_find_no_more_nothing_is_said(gray: Trained, tmp_path: Path) -> None:
    opened = inquiry(gray, tmp_path, noisy(gray, 0.01), 2, steps=40, restarts=2)
    findings, run = asked(EnoughDraws, opened)
    assert (findings, run.outcome) == ([], "clear")
    assert run.tried


def test_models_that_repeat_themselves_are_not_asked(gray: Trained, tmp_path: Path) -> None:
    for check in (EnoughDraws, FixedDraw):
        plain = inquiry_into(gray.network, gray.x, gray.y, tmp_path / check.code, ("apgd", {"steps": 2}))
        findings, run = asked(check, plain)
        assert (findings, run.forwards) == ([], 0)


def test_a_fixed_draw_is_the_same_for_each_sample_whoever_else_is_asked(gray: Trained) -> None:
    repeating = fixed(noisy(gray, 0.3))
    together = repeating(gray.x[:8])
    assert torch.equal(repeating(gray.x[3:4]), together[3:4])
    before = torch.random.get_rng_state()
    repeating(gray.x[:2])
    assert torch.equal(torch.random.get_rng_state(), before)


def test_what_falls_once_its_chance_is_fixed_raises_the_draws(gray: Trained, tmp_path: Path) -> None:
    opened = inquiry(gray, tmp_path, noisy(gray, 0.3), 1, steps=1)
    (_,), run = asked(FixedDraw, opened)
    assert run.evidence["fell with one draw"] > run.evidence["fell in the scan"] + 1
    assert run.doubt
    assert run.tried


def test_what_falls_alike_is_not_doubted(gray: Trained, tmp_path: Path) -> None:
    opened = inquiry(gray, tmp_path, noisy(gray, 0.005), 2, steps=40)
    findings, run = asked(FixedDraw, opened)
    assert (findings, run.outcome) == ([], "clear")
    assert run.evidence["tried"] >= 8


def test_chance_that_pytorch_does_not_draw_is_left_alone(gray: Trained, tmp_path: Path) -> None:
    drawn = iter(range(10**9))

    def network(x: Tensor) -> Tensor:
        return gray.network(x) * (1.0 + 0.1 * (next(drawn) % 3))

    _, run = asked(FixedDraw, inquiry(gray, tmp_path, network, 2, steps=5))
    assert run.outcome == "not looked at"
    assert "PyTorch" in run.detail
