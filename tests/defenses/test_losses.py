"""The losses of TRADES, MART and the mixture, in closed form."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from auditor.types import Norm, Threat
from auditor_defenses._losses import boosted, divergence
from auditor_defenses.fgsm_mix import FGSMMix
from auditor_defenses.mart import MART
from auditor_defenses.trades import TRADES
from tests.harden.trainees import linear, streams

PLANE = [[1.0, -2.0, 0.5], [0.0, 0.0, 0.0]]
LINF = Threat(norm=Norm.LINF, eps=0.1)


def two(margin: Tensor) -> Tensor:
    """Logits of two classes, of which the first leads by `margin`."""
    return torch.stack([margin, torch.zeros_like(margin)], 1)


def test_the_divergence_is_the_sum_of_its_definition() -> None:
    p, q = torch.tensor([[0.5, 0.25, 0.25]]), torch.tensor([[0.25, 0.25, 0.5]])
    value = 0.5 * math.log(2.0) + 0.25 * math.log(0.5)
    torch.testing.assert_close(divergence(q.log(), p.log()), torch.tensor([value]))
    assert divergence(p.log(), p.log()).item() == 0.0


def test_answers_that_are_certain_have_a_finite_divergence() -> None:
    sure, other = torch.tensor([[200.0, 0.0, 0.0]]), torch.tensor([[0.0, 200.0, 0.0]])
    assert divergence(other, sure).item() == pytest.approx(200.0)


def test_the_boosted_cross_entropy_also_counts_the_strongest_wrong_class() -> None:
    odds, y = torch.tensor([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]), torch.tensor([0, 1])
    expected = [-math.log(0.5) - math.log(0.7), -math.log(0.3) - math.log(0.5)]
    torch.testing.assert_close(boosted(odds.log(), y), torch.tensor(expected), atol=3e-4, rtol=0)


def test_the_boosted_cross_entropy_has_a_finite_slope_where_a_wrong_class_is_certain() -> None:
    logits = torch.tensor([[0.0, 100.0]], requires_grad=True)
    boosted(logits, torch.tensor([0])).sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_the_mixture_weighs_clean_against_adversarial_loss(alpha: float) -> None:
    trainee = linear(PLANE)
    x, y = torch.full((2, 3), 0.5), torch.tensor([0, 1])
    recipe = FGSMMix(alpha=alpha)
    found = recipe.perturb(trainee, x, y, LINF, streams(2))
    signs = torch.tensor([1.0, -1.0, 1.0])
    # The exact inner maximum of a linear model.
    torch.testing.assert_close(found - x, 0.1 * torch.stack([-signs, signs]))
    clean = torch.tensor([1.0, -1.0]) * (x @ torch.tensor(PLANE[0]))
    attacked = clean - 0.1 * 3.5
    expected = alpha * torch.log1p(torch.exp(-clean)) + (1.0 - alpha) * torch.log1p(torch.exp(-attacked))
    torch.testing.assert_close(recipe.loss(trainee, x, found, y, LINF, streams(2)), expected)


@pytest.mark.parametrize("norm", [Norm.LINF, Norm.L2])
def test_trades_finds_the_answer_that_is_furthest_from_the_clean_one(norm: Norm) -> None:
    trainee, threat = linear(PLANE), Threat(norm=norm, eps=0.1)
    # On the border between the classes both directions are as far; beside it the far side of it is.
    x = torch.tensor([[0.5, 0.3, 0.5], [0.5, 0.45, 0.5]])
    recipe = TRADES(steps=40)
    found = recipe.perturb(trainee, x, torch.tensor([1, 1]), threat, streams(2))
    clean = x @ torch.tensor(PLANE[0])
    reach = 0.1 * torch.tensor(PLANE[0]).norm(p=1 if norm is Norm.LINF else 2)
    attacked = clean - clean.sign() * reach
    torch.testing.assert_close(found @ torch.tensor(PLANE[0]), attacked, atol=2e-3, rtol=0)
    loss = recipe.loss(trainee, x, found, torch.tensor([1, 1]), threat, streams(2))
    expected = torch.log1p(torch.exp(clean)) + 6.0 * divergence(two(attacked), two(clean))
    torch.testing.assert_close(loss, expected, atol=5e-3, rtol=0)


def test_trades_does_not_look_at_labels_for_its_examples() -> None:
    trainee, x = linear(PLANE), torch.rand(4, 3, generator=torch.Generator().manual_seed(0))
    found = [TRADES().perturb(trainee, x, torch.full((4,), label), LINF, streams(4)) for label in (0, 1)]
    assert torch.equal(*found)


def test_mart_holds_doubtful_answers_still_most() -> None:
    trainee, y = linear(PLANE), torch.tensor([0, 1])
    x = torch.tensor([[0.9, 0.1, 0.9], [0.9, 0.1, 0.9]])
    recipe = MART(beta=2.0)
    found = recipe.perturb(trainee, x, y, LINF, streams(2))
    loss = recipe.loss(trainee, x, found, y, LINF, streams(2))
    clean, attacked = trainee(x), trainee(found)
    doubt = 1.0 - clean.softmax(1)[torch.arange(2), y]
    assert doubt[0] < 0.3 < 0.7 < doubt[1]
    torch.testing.assert_close(loss, boosted(attacked, y) + 2.0 * doubt * divergence(attacked, clean))
