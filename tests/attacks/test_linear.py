"""On a linear model the smallest adversarial change is known exactly: attacks find it, and nothing smaller."""

from __future__ import annotations

import dataclasses

import pytest

from auditor.attack import Attack
from auditor.types import Norm, Threat
from auditor_attacks.apgd import APGD
from auditor_attacks.fgsm import FGSM
from auditor_attacks.noise import Noise
from auditor_attacks.pgd import PGD
from auditor_attacks.square import Square
from tests.oracles import Linear, run

NORMS = (Norm.LINF, Norm.L2, Norm.L1)
SIZES = (((1, 5, 5), 2, 1), ((3, 3, 4), 10, 32), ((20,), 3, 8))
CLIMBERS = (
    FGSM(),
    FGSM(loss="margin"),
    PGD(steps=20, step_size=0.25),
    PGD(steps=20, step_size=0.25, momentum=0.75, restarts=2, loss="margin"),
    APGD(steps=60),
    APGD(steps=60, loss="dlr"),
    APGD(steps=60, loss="margin", restarts=2),
)
every_size = pytest.mark.parametrize(("shape", "num_classes", "n"), SIZES, ids=str)
TARGETED = APGD(steps=60, loss="dlr-targeted")


def name(attack: Attack) -> str:
    return f"{attack.label}-{getattr(attack, 'loss', '')}"


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("attack", CLIMBERS, ids=name)
@every_size
def test_gradient_attacks_find_what_lies_one_percent_within_reach_and_nothing_out_of_it(
    attack: Attack, shape: tuple[int, ...], norm: Norm, num_classes: int, n: int
) -> None:
    model = Linear.draw(shape, num_classes, n, norm, rivals=2)
    reach = Threat(norm=norm, eps=1.01 * model.eps)
    assert run(attack, model.target, model.x, model.y, reach).found.all()
    short = Threat(norm=norm, eps=0.99 * model.eps)
    assert not run(attack, model.target, model.x, model.y, short).found.any()


@pytest.mark.parametrize("norm", NORMS)
@every_size
def test_targeted_apgd_finds_the_nearest_of_many_classes(
    shape: tuple[int, ...], norm: Norm, num_classes: int, n: int
) -> None:
    model = Linear.draw(shape, num_classes, n, norm)
    reach = Threat(norm=norm, eps=1.01 * model.eps)
    assert run(TARGETED, model.target, model.x, model.y, reach).found.all()
    short = Threat(norm=norm, eps=0.99 * model.eps)
    assert not run(dataclasses.replace(TARGETED, steps=20), model.target, model.x, model.y, short).found.any()


@pytest.mark.parametrize(
    ("shape", "num_classes", "n"),
    [((1, 6, 6), 2, 1), ((3, 3, 4), 10, 64), ((20,), 10, 8), ((1, 2, 3), 2, 8), ((1,), 2, 64)],
    ids=str,
)
def test_square_finds_linf_examples_five_percent_within_reach_without_gradients(
    shape: tuple[int, ...], num_classes: int, n: int
) -> None:
    model = Linear.draw(shape, num_classes, n, Norm.LINF, rivals=2)
    reach = Threat(norm=Norm.LINF, eps=1.05 * model.eps)
    assert run(Square(queries=1000), model.target, model.x, model.y, reach).found.all()
    short = Threat(norm=Norm.LINF, eps=0.95 * model.eps)
    assert not run(Square(queries=200), model.target, model.x, model.y, short).found.any()


@pytest.mark.parametrize("norm", [Norm.L2, Norm.L1])
@pytest.mark.parametrize("shape", [(3, 5, 7), (30,)], ids=str)
def test_square_finds_l2_and_l1_examples_at_a_multiple_of_the_exact_distance(
    shape: tuple[int, ...], norm: Norm
) -> None:
    # Bumps of several pixels cannot follow the independent weights of single pixels.
    model = Linear.draw(shape, 2, 8, norm)
    attack = Square(queries=250)
    reach = Threat(norm=norm, eps=3.0 * model.eps)
    assert run(attack, model.target, model.x, model.y, reach).found.all()
    short = Threat(norm=norm, eps=0.95 * model.eps)
    assert not run(attack, model.target, model.x, model.y, short).found.any()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("distribution", ["both", "uniform", "gaussian"])
def test_noise_finds_examples_in_few_dimensions(norm: Norm, distribution: str) -> None:
    model = Linear.draw((1, 1, 2), 2, 8, norm)
    attack = Noise(draws=700, distribution=distribution)
    reach = Threat(norm=norm, eps=1.15 * model.eps)
    assert run(attack, model.target, model.x, model.y, reach).found.all()
    short = Threat(norm=norm, eps=0.99 * model.eps)
    assert not run(attack, model.target, model.x, model.y, short).found.any()
