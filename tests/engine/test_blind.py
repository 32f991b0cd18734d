"""Samples on which no attack had anything to go by are not evaluated, and never robust."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from auditor.engine.ledger import Ledger
from auditor.engine.standing import Clean, Standing
from auditor.testing import assert_robust
from auditor.types import Norm, Threat
from tests.checks.scenes import digits, trained


class Brittle(nn.Module):
    """Answers as `body` does; where the picture is darker than `level`, every entry of its gradient is NaN."""

    def __init__(self, body: nn.Module, level: float) -> None:
        super().__init__()
        self.body, self.level = body, level

    def forward(self, x: Tensor) -> Tensor:
        brightness = x.flatten(1).mean(1, keepdim=True) - self.level
        # The root's slope at 0 is infinite, and infinity times 0 is NaN; the value is 0.
        out: Tensor = self.body(x) + 0.0 * (brightness.abs() + brightness).sqrt()
        return out


@pytest.fixture
def dark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Brittle, tuple[Tensor, Tensor]]:
    """Without gradients on a few samples in a hundred, too few for the audit to doubt the attacks as a whole."""
    monkeypatch.chdir(tmp_path)
    x_train, y_train, x, y = digits(200)
    level = float(x.flatten(1).mean(1).quantile(0.04))
    return Brittle(trained(x_train, y_train), level), (x, y)


def test_gradient_attacks_alone_do_not_tell(dark: tuple[Brittle, tuple[Tensor, Tensor]]) -> None:
    model, samples = dark
    with pytest.raises(AssertionError, match=r"inconclusive: (.|\n)* not evaluated \(at most"):
        assert_robust(model, samples, eps=0.01, at_least=0.1, attack=["fgsm"], escalation=False)


def test_where_queries_look_too_all_are_evaluated(dark: tuple[Brittle, tuple[Tensor, Tensor]]) -> None:
    model, samples = dark
    # Without further attacks the checks stay in doubt of so few steps; each sample was looked at all the same.
    with pytest.raises(AssertionError) as raised:
        assert_robust(
            model, samples, eps=0.01, at_least=0.1, attack=["pgd:steps=5", "square:queries=50"], escalation=False
        )
    assert "not evaluated" not in str(raised.value)


def test_whoever_was_looked_at_once_is_known_and_whoever_never_was_is_not() -> None:
    labels = np.zeros(3, np.int64)
    standing = Standing(Clean(labels, labels, np.ones(3), margin=-np.ones(3)))
    standing.blind.update({0, 1})
    standing.looked.update({1, 2})
    assert [standing.outcome(i) for i in range(3)] == ["not_evaluated", "robust", "robust"]


def test_of_a_gradient_only_what_is_finite_is_followed_and_rows_that_lost_something_are_known() -> None:
    x = torch.rand(3, 4, generator=torch.Generator().manual_seed(0))
    ledger = Ledger.open(x, torch.zeros(3, dtype=torch.int64), Threat(norm=Norm.LINF, eps=0.1), 2, 0.0, float("inf"))
    gradient = torch.tensor([[1.0, 2.0], [torch.nan, 1.0], [torch.inf, torch.nan]])
    assert ledger.to_follow(torch.arange(3), gradient).tolist() == [[1.0, 2.0], [0.0, 1.0], [0.0, 0.0]]
    assert ledger.blind.tolist() == [False, True, True]
    ledger.to_follow(torch.tensor([1, 2]), torch.ones(2, 2))
    assert not ledger.blind.any()
