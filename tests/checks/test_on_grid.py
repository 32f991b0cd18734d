"""Models that answer otherwise between gray levels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from auditor import Norm, Severity, Threat
from auditor.engine.inquiry import Inquiry
from auditor_checks.on_grid import OffTheGrid, OnGrid
from tests.checks.conftest import Trained
from tests.checks.inquiries import AttackSpec, asked, inquiry_into
from tests.oracles import run, target_of

CLIMB: AttackSpec = ("apgd", {"loss": "margin", "steps": 20})
EPS = 26.0 / 255.0


def _into(network: Callable[[Tensor], Tensor], gray: Trained, folder: Path, *, eight_bit: bool = True) -> Inquiry:
    """Into attacks on 64 samples, which are 8-bit images."""
    x, threat = torch.round(255.0 * gray.x[:64]) / 255.0, Threat(norm=Norm.LINF, eps=EPS)
    inquiry = inquiry_into(network, x, gray.y[:64], folder, CLIMB, threat=threat)
    samples = inquiry.batches.samples
    samples.eight_bit = eight_bit  # type: ignore[misc]
    return inquiry


def _suspicious(gray: Trained) -> Callable[[Tensor], Tensor]:
    """Sees pixels of no image file, and answers to the picture in black and white instead."""

    def network(x: Tensor) -> Tensor:
        levels = 255.0 * x.detach()
        off = ((levels - levels.round()).abs() > 0.02).flatten(1).any(1)[:, None, None, None]
        return gray.network(torch.where(off, (x.detach() > 0.5).float(), x))

    return network


def test_what_refuses_to_move_between_levels_is_attacked_at_them_and_stays_doubtful(
    gray: Trained, tmp_path: Path
) -> None:
    inquiry = _into(_suspicious(gray), gray, tmp_path / "a")
    honest = _into(gray.network, gray, tmp_path / "b")
    assert len(inquiry.standing) > len(honest.standing) + 10
    (finding,), run = asked(OffTheGrid, inquiry)
    assert (finding.severity, run.outcome) == (Severity.INCONCLUSIVE, "doubtful")
    assert len(inquiry.standing) <= len(honest.standing) + 2


def test_an_honest_model_is_not_doubted_at_the_price_of_a_few_passes(gray: Trained, tmp_path: Path) -> None:
    findings, run = asked(OffTheGrid, _into(gray.network, gray, tmp_path))
    assert (findings, run.outcome, run.tried) == ([], "clear", ())
    assert 0 < run.forwards <= 3 * 32
    assert run.evidence["answered otherwise"] == 0


def test_data_that_are_no_8_bit_images_are_not_asked_about(gray: Trained, tmp_path: Path) -> None:
    findings, run = asked(OffTheGrid, _into(_suspicious(gray), gray, tmp_path, eight_bit=False))
    assert (findings, run.forwards) == ([], 0)


@pytest.mark.parametrize("eps", [1.0 / 255.0, 7.9 / 255.0, 0.3])
def test_it_asks_about_8_bit_images_inside_the_budget_alone(gray: Trained, eps: float) -> None:
    x, seen = torch.round(255.0 * gray.x[:8]) / 255.0, []

    def network(z: Tensor) -> Tensor:
        seen.append(z.detach())
        return gray.network(z) - 100.0 * torch.eye(10)[gray.y[:8]][: len(z)] * -1.0

    last = run(OnGrid(steps=5), target_of(network, 10), x, gray.y[:8], Threat(norm=Norm.LINF, eps=eps)).candidates
    assert last is not None
    for z in (*seen, last):
        levels = 255.0 * z
        assert float((levels - levels.round()).abs().max()) < 1e-3
        assert float((z - x).abs().max()) <= eps + 1e-6
    assert float((last - x).abs().max()) >= 1.0 / 255.0 - 1e-6
    assert replace(OnGrid(), steps=3).passes(10).backwards == 3
