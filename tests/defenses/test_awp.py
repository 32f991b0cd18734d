"""The step of the weights: uphill, of the right length in each layer, and undone to the last bit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from auditor.harden.trainee import Trainee
from auditor_defenses.awp import AWP
from tests.defenses.loops import network
from tests.harden.trainees import trainee_of

X = torch.rand(16, 5, generator=torch.Generator().manual_seed(0))
Y = torch.arange(16) % 3


def moved(trainee: Trainee, gamma: float) -> tuple[dict[str, Tensor], float, float]:
    """By how much each weight moved, and the loss there and after."""

    def loss() -> Tensor:
        return functional.cross_entropy(trainee(X), Y)

    before = {name: weight.detach().clone() for name, weight in trainee.weights.items()}
    with AWP(gamma=gamma).around(trainee, loss):
        step = {name: weight.detach() - before[name] for name, weight in trainee.weights.items()}
        there = loss().item()
    assert all(torch.equal(weight, before[name]) for name, weight in trainee.weights.items())
    return step, there, loss().item()


def test_each_layer_moves_by_its_own_share_and_the_others_stay() -> None:
    trainee = trainee_of(network((5,), 3), 3)
    step, there, after = moved(trainee, 0.05)
    for name, weight in trainee.weights.items():
        length = 0.05 * weight.norm() if weight.dim() > 1 else torch.tensor(0.0)
        torch.testing.assert_close(step[name].norm(), length.detach(), rtol=1e-4, atol=1e-7)
    assert there > after


def test_the_step_is_along_the_gradient_of_the_loss() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(5, 3)
    trainee = trainee_of(layer, 3)
    (slope,) = torch.autograd.grad(functional.cross_entropy(layer(X), Y), layer.weight)
    step, _, _ = moved(trainee, 0.02)
    torch.testing.assert_close(step["weight"], 0.02 * layer.weight.detach().norm() * slope / slope.norm())


def test_no_gradient_is_left_behind_and_none_is_no_step() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(5, 3)
    trainee = trainee_of(layer, 3)
    trainee.weights["unused"] = nn.Parameter(torch.ones(2, 2))
    step, _, _ = moved(trainee, 0.02)
    assert torch.equal(step["unused"], torch.zeros(2, 2))
    assert layer.weight.grad is None


def test_weights_come_back_where_the_training_step_fails() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(5, 3)
    trainee, before = trainee_of(layer, 3), layer.weight.detach().clone()
    with pytest.raises(ZeroDivisionError), AWP().around(trainee, lambda: functional.cross_entropy(trainee(X), Y)):
        raise ZeroDivisionError
    assert torch.equal(layer.weight, before)
