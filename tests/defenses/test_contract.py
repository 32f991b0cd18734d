"""What every recipe promises the trainer, whatever the model and the data."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from auditor.defense import Addition, Defense, Recipe
from auditor.harden.trainee import Trainee
from auditor.norms import distance
from auditor.types import Norm, Threat
from auditor_defenses import auditor_defenses
from auditor_defenses._losses import wrong
from auditor_defenses.gaussian import Gaussian
from tests.defenses.loops import digits, network, train, update
from tests.harden.trainees import streams, trainee_of

EPS = {Norm.LINF: 0.15, Norm.L2: 0.8, Norm.L1: 3.0}
RECIPES = [kind() for kind in auditor_defenses() if issubclass(kind, Recipe)]
ADDITIONS = [kind() for kind in auditor_defenses() if issubclass(kind, Addition)]
CASES = [(recipe, norm) for recipe in RECIPES for norm in EPS if norm in recipe.norms]
every_case = pytest.mark.parametrize(("recipe", "norm"), CASES, ids=[f"{r.name}-{n}" for r, n in CASES])
every_recipe = pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
NOT_WITHIN_THE_BALL = {"fast", "gaussian", "pool"}
"""Whose examples lie elsewhere, on purpose: noise beyond the ball, or examples of other samples."""


def samples(shape: tuple[int, ...], num_classes: int, n: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(n, *shape, generator=generator), torch.randint(num_classes, (n,), generator=generator)


def fresh(shape: tuple[int, ...], num_classes: int) -> Trainee:
    return trainee_of(network(shape, num_classes), num_classes)


def weights(trainee: Trainee) -> list[Tensor]:
    return [weight.detach().clone() for weight in trainee.module.state_dict().values()]


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_importing_the_plugin_does_not_import_torch() -> None:
    code = "import sys, auditor_defenses; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("defense", auditor_defenses(), ids=lambda defense: defense.name)
def test_defenses_say_what_they_help_what_they_miss_and_what_they_cost(defense: type[Defense]) -> None:
    assert defense.__doc__
    assert all(heading in defense.__doc__ for heading in ("Helps:", "Blind to:", "Cost:", "Use it when:"))
    assert defense.paper.startswith(("arXiv:", "openreview:", "nips:"))
    assert all("help" in field.metadata for field in dataclasses.fields(defense))


@every_recipe
def test_every_recipe_is_for_linf_and_l2_at_least(recipe: Recipe) -> None:
    assert {Norm.LINF, Norm.L2} <= recipe.norms


@every_case
@pytest.mark.parametrize("shape", [(3, 5, 4), (7,), (1,)], ids=str)
@pytest.mark.parametrize(("num_classes", "n"), [(2, 5), (4, 3)])
def test_any_shape_and_two_classes_are_trained(
    recipe: Recipe, norm: Norm, shape: tuple[int, ...], num_classes: int, n: int
) -> None:
    trainee, (x, y) = fresh(shape, num_classes), samples(shape, num_classes, n)
    before = weights(trainee)
    train(recipe, trainee, x, y, Threat(norm=norm, eps=EPS[norm]), 3)
    after = weights(trainee)
    assert not same(before, after)
    assert all(weight.isfinite().all() for weight in after)


@every_case
def test_a_batch_of_one_is_learned_from(recipe: Recipe, norm: Norm) -> None:
    torch.manual_seed(0)
    trainee = trainee_of(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(6, 3)), 3)
    x, y = samples((6,), 3, 1)
    before = weights(trainee)
    train(recipe, trainee, x, y, Threat(norm=norm, eps=EPS[norm]), 3)
    assert not same(before, weights(trainee))


@every_case
def test_examples_keep_to_the_ball_and_inputs_and_the_global_random_state_stay_untouched(
    recipe: Recipe, norm: Norm
) -> None:
    trainee, (x, y) = fresh((1, 6, 6), 4), samples((1, 6, 6), 4, 8)
    threat = Threat(norm=norm, eps=EPS[norm])
    state, before = torch.get_rng_state(), x.clone()
    optimiser = torch.optim.SGD(trainee.weights.values(), lr=0.01)
    for _ in range(3):
        trainee.samples, trainee.lr, trainee.steps = 8, 0.01, 3
        found = recipe.perturb(trainee, x, y, threat, streams(8))
        assert found.shape == x.shape
        if recipe.name not in NOT_WITHIN_THE_BALL:
            assert found.min() >= 0.0
            assert found.max() <= 1.0
            assert (distance(found.detach(), x, norm) <= threat.eps * 1.0001).all()
        update(recipe, trainee, x, y, threat, optimiser)
    assert torch.equal(x, before)
    assert torch.equal(torch.get_rng_state(), state)


@every_recipe
def test_looking_for_examples_leaves_no_gradient_and_moves_nothing(recipe: Recipe) -> None:
    trainee, (x, y) = fresh((9,), 3), samples((9,), 3, 6)
    before = weights(trainee)
    recipe.perturb(trainee, x, y, Threat(norm=Norm.LINF, eps=0.1), streams(6))
    assert same(before, weights(trainee))
    assert all(weight.grad is None for weight in trainee.weights.values())


@every_case
def test_the_same_seed_gives_the_same_weights_and_so_does_training_that_was_interrupted(
    recipe: Recipe, norm: Norm
) -> None:
    x, y = samples((9,), 3, 70)
    threat, half = Threat(norm=norm, eps=EPS[norm]), 4
    whole = [fresh((9,), 3) for _ in range(2)]
    for trainee in whole:
        trainee.steps = 2 * half
        train(recipe, trainee, x, y, threat, half)
        train(recipe, trainee, x, y, threat, half)
    assert same(weights(whole[0]), weights(whole[1]))

    first, second = fresh((9,), 3), fresh((9,), 3)
    first.steps = second.steps = 2 * half
    train(recipe, first, x, y, threat, half)
    second.module.load_state_dict(first.module.state_dict())
    second.memory = {name: value.clone() for name, value in first.memory.items()}
    second.members = first.members
    second.step = first.step
    train(recipe, second, x, y, threat, half)
    assert same(weights(second), weights(whole[0]))
    assert len(second.members) == len(whole[0].members)
    for one, other in zip(second.members, whole[0].members, strict=True):
        assert same(list(one.values()), list(other.values()))


@every_recipe
def test_what_is_remembered_is_tensors_that_no_graph_hangs_on(recipe: Recipe) -> None:
    trainee, (x, y) = fresh((9,), 3), samples((9,), 3, 40)
    train(recipe, trainee, x, y, Threat(norm=Norm.LINF, eps=0.1), 4)
    assert all(isinstance(value, Tensor) and not value.requires_grad for value in trainee.memory.values())


def robust_accuracy(trainee: Trainee, x: Tensor, y: Tensor, threat: Threat) -> float:
    found = trainee.climb(x, wrong(y), threat, streams(len(x)), steps=20, step_size=0.15)
    with torch.no_grad():
        return float((trainee.still(found).argmax(1) == y).float().mean())


def trained(recipe: Recipe, norm: Norm) -> float:
    """Robust accuracy on digits that were held out, after two seconds of training at most."""
    (x, y), threat = digits(800), Threat(norm=norm, eps=EPS[norm])
    trainee = trainee_of(network((1, 8, 8), 10, width=32), 10)
    train(recipe, trainee, x[:500], y[:500], threat, 100, lr=0.1)
    return robust_accuracy(trainee, x[500:], y[500:], threat)


@pytest.fixture(scope="module")
def plain() -> dict[Norm, float]:
    """Robust accuracy after as many updates on clean digits."""
    return {norm: trained(Gaussian(sigma=0.0), norm) for norm in (Norm.LINF, Norm.L2)}


@every_recipe
@pytest.mark.parametrize("norm", [Norm.LINF, Norm.L2])
def test_it_raises_robust_accuracy_on_real_digits(recipe: Recipe, norm: Norm, plain: dict[Norm, float]) -> None:
    assert trained(recipe, norm) > plain[norm] + 0.1


@pytest.mark.parametrize("addition", ADDITIONS, ids=lambda addition: addition.name)
@every_recipe
def test_additions_go_on_top_of_every_recipe(recipe: Recipe, addition: Addition) -> None:
    x, y = samples((9,), 3, 40)
    threat = Threat(norm=Norm.LINF, eps=0.1)
    alone, together = fresh((9,), 3), fresh((9,), 3)
    train(recipe, alone, x, y, threat, 4)
    train(recipe, together, x, y, threat, 4, additions=(addition,))
    assert not same(weights(alone), weights(together))
    assert all(weight.isfinite().all() for weight in weights(together))
