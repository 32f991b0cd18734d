"""Searches for the smallest change end on the deployed model's own boundary."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from auditor import Norm, Threat
from auditor.engine.ledger import Ledger
from auditor.engine.settle import settle
from tests.oracles import target_of


def boundary(at: float) -> object:
    """Wrong from a first pixel of `at` on."""
    return target_of(lambda x: torch.stack([at - x[:, 0], x[:, 0] - at], 1), 2)


def ledger_with(first: Tensor, norm: Norm = Norm.L2) -> Ledger:
    """Samples of gray, and examples that someone found by changing the first pixel."""
    x = torch.full((len(first), 2), 0.5)
    ledger = Ledger.open(x, torch.zeros(len(x), dtype=torch.int64), Threat(norm=norm, eps=math.inf), 2, 0.0, math.inf)
    best = x.clone()
    best[:, 0] = first
    far = torch.stack([-torch.ones(len(x)), torch.ones(len(x))], 1)
    ledger.record(torch.arange(len(x)), best, far)
    return ledger


def test_an_example_far_behind_the_boundary_is_drawn_in() -> None:
    ledger = ledger_with(torch.tensor([0.9]))
    settle(boundary(0.6), ledger)
    assert 0.1 <= float(ledger.best_distance[0]) <= 0.1006


def test_what_fools_the_twin_alone_is_drawn_out_until_it_fools_the_deployed_model() -> None:
    ledger = ledger_with(torch.tensor([0.6]))
    settle(boundary(0.602), ledger)
    assert 0.102 <= float(ledger.best_distance[0]) <= 0.11


def test_an_example_at_the_boundary_stays_what_it_is_to_the_last_bit() -> None:
    ledger = ledger_with(torch.tensor([0.6, 0.9]))
    exact = ledger.best[0].clone()
    settle(boundary(0.5999), ledger)
    assert float(ledger.best_distance[0]) == pytest.approx(0.1, rel=2e-3)
    assert torch.allclose(ledger.best[0], exact, atol=2e-3)


def test_the_number_of_changed_entries_is_not_searched_for_along_a_line() -> None:
    ledger = ledger_with(torch.tensor([0.9]), Norm.L0)
    before = ledger.best.clone()
    settle(boundary(0.6), ledger)
    assert torch.equal(ledger.best, before)
    assert int(ledger.asked[0]) == 1


def test_every_question_is_counted_and_only_what_was_found_is_asked_about() -> None:
    ledger = ledger_with(torch.tensor([0.9, 0.9]))
    ledger.best_margin[1] = -math.inf
    settle(boundary(0.6), ledger)
    assert ledger.asked.tolist() == [12, 0]
