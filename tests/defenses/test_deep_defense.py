"""The perturbation of DeepFool as part of the loss: its size in closed form, and the slope through it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from auditor.types import Norm, Threat
from auditor_defenses.deep_defense import DeepDefense
from tests.harden.trainees import linear, streams, trainee_of

PLANE = [[3.0, -4.0], [0.0, 0.0]]
"""Margin over length: 5 in l2, and 7 in linf, where the other norm's size counts."""
every_norm = pytest.mark.parametrize(("norm", "dual"), [(Norm.LINF, 7.0), (Norm.L2, 5.0)])


def sizes(weights: list[list[float]], x: Tensor, y: Tensor, norm: Norm, **options: int) -> Tensor:
    trainee = linear(weights)
    right = trainee.still(x).argmax(1) == y
    return DeepDefense(**options).distance(trainee, x, y, right, norm)


@every_norm
@pytest.mark.parametrize("steps", [1, 3])
def test_the_size_is_margin_over_length_for_right_and_wrong_samples_alike(norm: Norm, dual: float, steps: int) -> None:
    x, y = torch.tensor([[0.9, 0.2], [0.9, 0.2], [0.1, 0.4]]), torch.tensor([0, 1, 0])
    margins = torch.tensor([1.9, 1.9, 1.3])
    torch.testing.assert_close(sizes(PLANE, x, y, norm, steps=steps), margins / dual, atol=1e-5, rtol=0)


def test_among_rivals_the_nearest_border_counts_and_not_the_likeliest_class() -> None:
    # Class 1 is the runner-up, class 2 the nearer in l2: 2 / 2 against 3 / 5.
    weights = [[0.0, 0.0, 4.0], [2.0, 0.0, 2.0], [0.0, 5.0, 1.0]]
    x, y = torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([0])
    both = sizes(weights, x, y, Norm.L2, rivals=2, steps=1)
    likeliest = sizes(weights, x, y, Norm.L2, rivals=1, steps=1)
    torch.testing.assert_close(both, torch.tensor([3.0 / math.sqrt(25.0 + 9.0)]), atol=1e-5, rtol=0)
    torch.testing.assert_close(likeliest, torch.tensor([2.0 / math.sqrt(4.0 + 4.0)]), atol=1e-5, rtol=0)


def test_the_slope_goes_through_the_size() -> None:
    trainee = linear(PLANE)
    (weight,) = trainee.weights.values()
    x, y = torch.tensor([[0.9, 0.2]]), torch.tensor([0])
    size = DeepDefense(steps=1).distance(trainee, x, y, torch.tensor([True]), Norm.L2)
    (slope,) = torch.autograd.grad(size.sum(), weight)
    w = (weight[0] - weight[1]).detach().requires_grad_()
    (expected,) = torch.autograd.grad((w @ x[0]) / w.norm(), w)
    torch.testing.assert_close(slope, torch.stack([expected, -expected]), atol=1e-4, rtol=1e-4)


def test_the_slope_goes_through_later_linearisations_too() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    trainee = trainee_of(module, 3)
    trainee._forward = lambda x: module(x.double())
    x = torch.rand(5, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = module(x).argmax(1)
    recipe, right = DeepDefense(steps=3, rivals=2), torch.ones(5, dtype=torch.bool)
    weight, direction = module[0].weight, torch.ones_like(module[0].weight)
    # Passes of a trainee end in float32: differences are taken over a step that rounding does not reach.
    (slope,) = torch.autograd.grad(recipe.distance(trainee, x, y, right, Norm.L2).sum(), weight)
    ends = []
    for sign in (1.0, -1.0):
        with torch.no_grad():
            weight += sign * 1e-2 * direction
        ends.append(recipe.distance(trainee, x, y, right, Norm.L2).sum().item())
        with torch.no_grad():
            weight -= sign * 1e-2 * direction
    assert (slope * direction).sum().item() == pytest.approx((ends[0] - ends[1]) / 2e-2, rel=0.02)


@every_norm
def test_the_loss_asks_right_samples_to_go_further_and_wrong_ones_to_need_less(norm: Norm, dual: float) -> None:
    trainee, threat = linear(PLANE), Threat(norm=norm, eps=0.5)
    x, y = torch.tensor([[0.9, 0.2], [0.9, 0.2]]), torch.tensor([0, 1])
    recipe = DeepDefense(weight=2.0, right=3.0, wrong=1.0)
    loss = recipe.loss(trainee, x, x, y, threat, streams(2))
    size = 1.9 / dual / 0.5
    entropy = math.log1p(math.exp(-1.9)), math.log1p(math.exp(1.9))
    expected = [entropy[0] + 2.0 * math.exp(-3.0 * size), entropy[1] + 2.0 * math.exp(size)]
    torch.testing.assert_close(loss, torch.tensor(expected), atol=1e-4, rtol=0)


@pytest.mark.parametrize("eps", [1e-4, 0.0])
def test_what_is_far_on_the_wrong_side_for_its_budget_is_left_to_the_cross_entropy(eps: float) -> None:
    trainee, x, y = linear(PLANE), torch.tensor([[1.0, 0.0]]), torch.tensor([1])
    (weight,) = trainee.weights.values()
    loss = DeepDefense(weight=2.0).loss(trainee, x, x, y, Threat(norm=Norm.L2, eps=eps), streams(1))
    assert loss.item() == pytest.approx(math.log1p(math.exp(3.0)) + 2.0 * math.exp(2.0))
    (slope,) = torch.autograd.grad(loss.sum(), weight)
    (alone,) = torch.autograd.grad(trainee.cross_entropy(trainee(x), y).sum(), weight)
    torch.testing.assert_close(slope, alone)


@every_norm
def test_a_model_without_slope_gives_a_finite_loss_and_finite_gradients(norm: Norm, dual: float) -> None:
    trainee = linear([[0.0, 0.0], [0.0, 0.0]])
    x, y = torch.rand(3, 2), torch.tensor([0, 1, 1])
    loss = DeepDefense().loss(trainee, x, x, y, Threat(norm=norm, eps=0.1), streams(3)).mean()
    loss.backward()
    (weight,) = trainee.weights.values()
    assert weight.grad is not None
    assert weight.grad.isfinite().all()
