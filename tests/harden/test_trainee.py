"""What recipes are promised of the model in training."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional

from auditor.types import Norm, Threat
from tests.harden.trainees import linear, streams, trainee_of


def normalised() -> nn.Sequential:
    """A network with the two kinds of layers that training mode changes."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3))


@pytest.mark.parametrize("norm", [Norm.LINF, Norm.L2])
def test_a_climb_ends_where_a_linear_loss_is_largest(norm: Norm) -> None:
    trainee, eps = linear([[1.0, -2.0], [0.0, 0.0]]), 0.125
    x, y = torch.full((3, 1, 1, 2), 0.5), torch.zeros(3, dtype=torch.int64)
    objective = partial(functional.cross_entropy, target=y, reduction="none")
    found = trainee.climb(x, objective, Threat(norm=norm, eps=eps), streams(3), steps=50, step_size=0.25)
    away = torch.tensor([-1.0, 2.0])
    step = away.sign() * eps if norm is Norm.LINF else away / away.norm() * eps
    torch.testing.assert_close(found - x, step.expand(3, 1, 1, 2), atol=1e-5, rtol=0)
    assert not found.requires_grad


def test_a_climb_starts_where_it_is_told_and_stays_within_the_pixels() -> None:
    trainee, threat = linear([[1.0, 1.0], [0.0, 0.0]]), Threat(norm=Norm.LINF, eps=0.25)
    x = torch.tensor([[0.0, 1.0]])
    still = trainee.climb(x, lambda logits: logits[:, 0], threat, streams(1), steps=0, step_size=1.0, start=x)
    raised = trainee.climb(x, lambda logits: logits[:, 0], threat, streams(1), steps=1, step_size=1.0, start=x)
    assert torch.equal(still, x)
    assert torch.equal(raised, torch.tensor([[0.25, 1.0]]))


def test_looking_for_examples_neither_learns_statistics_nor_drops_anything() -> None:
    module = normalised()
    trainee, x = trainee_of(module, 3), torch.rand(16, 4)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    gradients = [trainee.gradient(x, lambda logits: logits[:, 0]) for _ in range(2)]
    assert torch.equal(*gradients)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(weight.grad is None for weight in trainee.weights.values())


def test_a_pass_to_learn_from_takes_the_statistics_of_the_batch_and_learns_them() -> None:
    module = normalised()
    trainee, x = trainee_of(module, 3), torch.rand(16, 4)
    trainee(x)
    assert not torch.equal(module[2].running_mean, torch.zeros(8))
    torch.testing.assert_close(trainee.still(x), module.eval()(x))


def test_label_smoothing_is_part_of_the_loss_to_descend() -> None:
    logits, y = torch.tensor([[2.0, 0.0]]), torch.tensor([0])
    smooth = trainee_of(nn.Linear(2, 2), 2, label_smoothing=0.2).cross_entropy(logits, y)
    log = logits.log_softmax(1)[0]
    torch.testing.assert_close(smooth, -(0.9 * log[:1] + 0.1 * log[1:]))


def test_a_kept_member_stays_as_it_was() -> None:
    trainee = linear([[1.0], [2.0]])
    trainee.keep()
    with torch.no_grad():
        next(iter(trainee.weights.values())).zero_()
    assert next(iter(trainee.members[0].values())).tolist() == [[1.0], [2.0]]
