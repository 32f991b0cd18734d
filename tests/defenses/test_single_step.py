"""Recipes of one step, and of none: `fast`, `free`, `gaussian`."""

from __future__ import annotations

import pytest
import torch

from auditor.types import Norm, Threat
from auditor_defenses.fast import Fast
from auditor_defenses.free import Free
from auditor_defenses.gaussian import Gaussian
from tests.defenses.loops import train, update
from tests.harden.trainees import linear, streams

PLANE = [[1.0, -2.0, 0.5], [0.0, 0.0, 0.0]]
LINF = Threat(norm=Norm.LINF, eps=0.125)
UPHILL = 0.125 * torch.tensor([-1.0, 1.0, -1.0])
"""The step that hurts class 0 of the plane most."""


@pytest.mark.parametrize("norm", [Norm.LINF, Norm.L2])
def test_fast_steps_from_noise_and_is_not_cut_back_to_the_ball(norm: Norm) -> None:
    n, eps = 4000, 0.0625
    trainee, x, y = linear(PLANE), torch.full((n, 3), 0.5), torch.zeros(n, dtype=torch.int64)
    found = Fast(noise=2.0).perturb(trainee, x, y, Threat(norm=norm, eps=eps), streams(n))
    weights = torch.tensor(PLANE[0])
    step = -eps * (weights.sign() if norm is Norm.LINF else weights / weights.norm())
    noise = found - x - step
    sizes = noise.abs().amax(1) if norm is Norm.LINF else noise.norm(dim=1)
    assert sizes.max() <= 2.0 * eps + 1e-6
    # Uniform in the ball: the share within half of the radius is its share of the volume.
    assert (sizes < eps).float().mean().item() == pytest.approx(0.125, abs=0.02)
    assert ((found - x).norm(dim=1) > 2.0 * eps).any()


def test_fast_stays_within_the_pixels() -> None:
    trainee, x = linear(PLANE), torch.tensor([[0.0, 1.0, 0.0]]).repeat(50, 1)
    found = Fast().perturb(trainee, x, torch.zeros(50, dtype=torch.int64), LINF, streams(50))
    assert found.min() == 0.0
    assert found.max() == 1.0


def test_free_moves_examples_and_weights_by_one_backward_pass_and_goes_on_from_there() -> None:
    recipe, trainee = Free(), linear(PLANE)
    x, y = torch.full((2, 3), 0.5), torch.zeros(2, dtype=torch.int64)
    optimiser = torch.optim.SGD(trainee.weights.values(), lr=1e-3)
    assert torch.equal(recipe.perturb(trainee, x, y, LINF, streams(2)), x)
    update(recipe, trainee, x, y, LINF, optimiser)
    torch.testing.assert_close(trainee.memory["delta"], UPHILL.expand(2, 3))
    other = torch.full((2, 3), 0.25)
    torch.testing.assert_close(recipe.perturb(trainee, other, y, LINF, streams(2)), other + UPHILL)


def test_free_takes_up_smaller_and_larger_batches_than_the_last() -> None:
    recipe, trainee = Free(), linear(PLANE)
    optimiser = torch.optim.SGD(trainee.weights.values(), lr=1e-3)
    for n in (3, 1, 4):
        x, y = torch.full((n, 3), 0.5), torch.zeros(n, dtype=torch.int64)
        update(recipe, trainee, x, y, LINF, optimiser)
        assert trainee.memory["delta"].shape == (n, 3)
    x, y = torch.full((6, 3), 0.5), torch.zeros(6, dtype=torch.int64)
    found = recipe.perturb(trainee, x, y, LINF, streams(6))
    torch.testing.assert_close(found[:4] - x[:4], UPHILL.expand(4, 3))
    assert torch.equal(found[4:], x[4:])


def test_free_asks_for_as_many_updates_to_a_batch_as_it_has_replays() -> None:
    assert Free(replays=7).updates == 7


def test_gaussian_noise_has_the_deviation_that_was_asked_for_and_is_not_clipped() -> None:
    trainee, x = linear(PLANE), torch.full((5000, 3), 0.9)
    y = torch.zeros(5000, dtype=torch.int64)
    noise = Gaussian(sigma=0.25).perturb(trainee, x, y, LINF, streams(5000)) - x
    assert noise.std().item() == pytest.approx(0.25, rel=0.02)
    assert noise.mean().item() == pytest.approx(0.0, abs=0.01)
    assert (noise > 0.1).float().mean().item() == pytest.approx(0.345, abs=0.02)


def test_gaussian_without_noise_is_plain_training() -> None:
    trainee, reference = linear(PLANE), linear(PLANE)
    x, y = torch.rand(8, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1] * 4)
    train(Gaussian(sigma=0.0), trainee, x, y, LINF, 1, lr=0.1)
    weight = next(iter(reference.weights.values()))
    torch.nn.functional.cross_entropy(reference(x), y).backward()
    assert weight.grad is not None
    torch.testing.assert_close(next(iter(trainee.weights.values())), weight - 0.1 * weight.grad)
