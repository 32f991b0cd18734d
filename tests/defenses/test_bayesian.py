"""Sampling weights and examples: the noise that the posterior dictates, and which weights are kept."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from auditor.types import Norm, Threat
from auditor_defenses.bayesian import Bayesian
from tests.defenses.loops import train
from tests.harden.trainees import linear, streams, trainee_of

LINF = Threat(norm=Norm.LINF, eps=0.125)


def test_the_noise_in_gradients_has_the_variance_that_is_stated() -> None:
    trainee = trainee_of(nn.Linear(200, 200, bias=False), 200)
    trainee.lr, trainee.samples, trainee.steps = 0.05, 400, 100
    (weight,) = trainee.weights.values()
    weight.grad = torch.zeros_like(weight)
    nothing = torch.empty(0)
    recipe = Bayesian(temperature=0.5)
    recipe.after_backward(trainee, nothing, nothing, nothing, LINF, streams(0))
    assert weight.grad.var().item() == pytest.approx(2.0 * 0.1 * 0.5 / (0.05 * 400), rel=0.03)
    assert weight.grad.mean().item() == pytest.approx(0.0, abs=0.01)


def test_descent_with_that_noise_samples_the_posterior() -> None:
    """The mean loss w^2 / 2 of 50 samples has the posterior N(0, 1 / 50)."""
    recipe = Bayesian(temperature=1.0)
    trainee = trainee_of(nn.Linear(500, 1, bias=False), 1)
    trainee.lr, trainee.samples, trainee.steps = 0.02, 50, 10_000
    (weight,) = trainee.weights.values()
    optimiser = torch.optim.SGD([weight], lr=trainee.lr, momentum=0.9)
    nothing, seen = torch.empty(0), []
    for step in range(600):
        trainee.step = step
        trainee.generator.manual_seed(step)
        weight.grad = weight.detach().clone()
        recipe.after_backward(trainee, nothing, nothing, nothing, LINF, streams(0))
        optimiser.step()
        if step >= 200:
            seen.append(weight.detach().square().mean())
    assert torch.stack(seen).mean().item() == pytest.approx(1.0 / 50.0, rel=0.1)


def test_without_temperature_there_is_no_noise() -> None:
    trainee = linear([[1.0, 0.0], [0.0, 0.0]])
    trainee.lr, trainee.samples, trainee.steps = 0.05, 400, 100
    (weight,) = trainee.weights.values()
    weight.grad = torch.ones_like(weight)
    nothing = torch.empty(0)
    Bayesian(temperature=0.0).after_backward(trainee, nothing, nothing, nothing, LINF, streams(0))
    assert torch.equal(weight.grad, torch.ones_like(weight))


def test_a_learning_rate_that_starts_at_0_leaves_no_infinite_noise_in_the_velocity() -> None:
    trainee = linear([[1.0, 0.0], [0.0, 0.0]])
    trainee.lr, trainee.samples = 0.0, 400
    assert Bayesian().deviation(trainee) == 0.0


@pytest.mark.parametrize(
    ("steps", "burn_in", "kept"), [(20, 0.5, [11, 13, 15, 17, 19]), (50, 0.2, [17, 25, 33, 41, 49])]
)
def test_weights_are_kept_evenly_after_the_burn_in_up_to_the_last_update(
    steps: int, burn_in: float, kept: list[int]
) -> None:
    trainee = linear([[1.0, 0.0], [0.0, 0.0]])
    x, y = torch.rand(4, 2, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 0, 1])
    trainee.steps, seen = steps, []
    for step in range(steps):
        before = len(trainee.members)
        train(Bayesian(burn_in=burn_in, steps=1), trainee, x, y, LINF, 1)
        if len(trainee.members) > before:
            seen.append(step)
    assert seen == kept
    first, last = (next(iter(trainee.members[at].values())) for at in (0, -1))
    assert not torch.equal(first, last)


def test_a_training_shorter_than_its_members_keeps_what_there_is() -> None:
    trainee = linear([[1.0, 0.0], [0.0, 0.0]])
    train(Bayesian(steps=1), trainee, torch.rand(4, 2), torch.tensor([0, 1, 0, 1]), LINF, 3)
    assert len(trainee.members) == 3


@pytest.mark.parametrize("norm", [Norm.LINF, Norm.L2])
def test_examples_are_spread_by_the_jitter_where_ascent_alone_ends_in_one_point(norm: Norm) -> None:
    weights = [[2.0, -1.0], [0.0, 0.0]]
    x, y = torch.full((200, 2), 0.5), torch.zeros(200, dtype=torch.int64)
    threat = Threat(norm=norm, eps=0.125)

    def spread(jitter: float) -> Tensor:
        return Bayesian(jitter=jitter, steps=40).perturb(linear(weights), x, y, threat, streams(200)).std(0)

    assert spread(0.0).max() < 5e-3
    assert spread(1.0).min() > 0.01
