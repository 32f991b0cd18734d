"""C&W, L-BFGS, EAD, sigma-zero and JSMA on linear models, whose smallest changes are known."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor, nn

from auditor.attack import Attack
from auditor.engine.ledger import Ledger
from auditor.engine.settle import settle
from auditor.engine.view import View
from auditor.norms import distance
from auditor.rng import Rng
from auditor.types import Norm, Threat
from auditor_attacks._quasi_newton import BoxLBFGS
from auditor_attacks._smallest import Bisection, Smallest
from auditor_attacks.alma import ALMA
from auditor_attacks.cw import CW
from auditor_attacks.cw_l0 import CWL0
from auditor_attacks.cw_linf import CWLinf
from auditor_attacks.ead import EAD
from auditor_attacks.jsma import JSMA
from auditor_attacks.lbfgs import LBFGS
from auditor_attacks.sigma_zero import SigmaZero
from tests.oracles import Linear, run, target_of

SIZES = pytest.mark.parametrize(
    ("shape", "num_classes", "n"), [((1, 5, 5), 2, 1), ((3, 3, 4), 10, 64), ((20,), 10, 8)], ids=str
)
# Squared size, the other half of EAD's elastic net, shares a change among entries of nearly equal slope, hence beta.
SMALLEST = (
    (LBFGS(steps=10, searches=8), Norm.L2),
    (CW(steps=60, searches=7, step_size=0.003), Norm.L2),
    (CWLinf(steps=250, step_size=0.002), Norm.LINF),
    (EAD(steps=60, searches=20, beta=30.0, c=30.0), Norm.L1),
)
FEWEST = (SigmaZero(steps=100), CWL0(steps=12, rounds=15), JSMA(steps=8))


def smallest(attack: Attack, model: Linear, norm: Norm) -> Tensor:
    """Sizes of the examples that an attack finds, drawn in along their lines as the engine does, `(N,)`."""
    threat = Threat(norm=norm, eps=torch.inf)
    ledger = Ledger.open(model.x, model.y, threat, model.num_classes, margin=0.0, deadline=torch.inf)
    keys = torch.arange(len(model.x))
    attack.perturb(
        View(model.target, ledger, attack.access), model.x, model.y, threat, Rng.keyed(0, attack.label, keys)
    )
    settle(model.target, ledger)
    assert ledger.found.all()
    return distance(ledger.best, model.x, norm)


def far(shape: tuple[int, ...], num_classes: int, n: int) -> Linear:
    """A linear model, and samples from which several entries must go to the end of their range."""
    model = Linear.draw(shape, num_classes, n, Norm.LINF, rivals=2)
    return dataclasses.replace(model, x=0.5 + 8.0 * (model.x - 0.5))


def fewest(model: Linear, slack: float = 1.0) -> Tensor:
    """How many entries must change, `(N,)`: those that gain most when they go to the end of their range.

    With `slack` above 1, to get so many times as far as the boundary.
    """
    layer = model.network[1]
    assert isinstance(layer, nn.Linear)
    x, logits = model.x.flatten(1).double(), model.network(model.x).double()
    counts = []
    for rival in range(model.num_classes):
        slope = (layer.weight[rival] - layer.weight[model.y]).double()
        gains = (slope.abs() * torch.where(slope > 0, 1.0 - x, x)).sort(1, descending=True).values.cumsum(1)
        gap = logits.gather(1, model.y[:, None]) - logits[:, rival, None]
        short = (gains <= slack * gap).sum(1)
        counts.append(torch.where((short == x.shape[1]) | (model.y == rival), 10_000, short + 1))
    return torch.stack(counts).amin(0)


@SIZES
@pytest.mark.parametrize(("attack", "norm"), SMALLEST, ids=lambda value: getattr(value, "label", str(value)))
def test_the_smallest_change_is_found_within_one_percent(
    attack: Attack, norm: Norm, shape: tuple[int, ...], num_classes: int, n: int
) -> None:
    model = Linear.draw(shape, num_classes, n, norm, rivals=2)
    size = smallest(attack, model, norm)
    assert size.max() <= 1.01 * model.eps
    assert size.min() >= 0.999 * model.eps


@pytest.mark.parametrize(
    ("attack", "norm", "most"),
    [
        (CW(), Norm.L2, 1.01),
        (CW(steps=60, searches=7), Norm.L2, 1.04),
        (ALMA(), Norm.L2, 1.01),
        (ALMA(), Norm.L1, 1.01),
        (EAD(), Norm.L1, 1.03),
        (EAD(steps=60, searches=9, c=1.0), Norm.L1, 1.03),
    ],
    ids=lambda value: f"{value.label}-{value.steps}" if isinstance(value, CW | ALMA | EAD) else str(value),
)
def test_by_default_it_is_found_within_one_percent_by_ead_and_with_fewer_steps_within_a_few(
    attack: Attack, norm: Norm, most: float
) -> None:
    model = Linear.draw((1, 5, 5), 10, 32, norm, rivals=2)
    size = smallest(attack, model, norm)
    assert size.max() <= most * model.eps
    assert size.min() >= 0.999 * model.eps


@SIZES
@pytest.mark.parametrize("attack", FEWEST, ids=lambda attack: attack.label)
def test_of_nearly_all_samples_the_fewest_entries_are_found_and_of_others_one_more(
    attack: Attack, shape: tuple[int, ...], num_classes: int, n: int
) -> None:
    model = far(shape, num_classes, n)
    count = smallest(attack, model, Norm.L0)
    assert (count >= fewest(model)).all()
    # Entries that come in pairs may be one more.
    enough = fewest(model, slack=1.02) + isinstance(attack, JSMA)
    assert (count <= enough).double().mean() >= 0.9
    assert (count <= enough + 1).all()


@pytest.mark.parametrize(("attack", "norm"), SMALLEST, ids=lambda value: getattr(value, "label", str(value)))
def test_within_a_budget_they_find_what_lies_inside_and_nothing_else(attack: Attack, norm: Norm) -> None:
    model = Linear.draw((1, 6, 6), 10, 16, norm, rivals=2)
    assert run(attack, model.target, model.x, model.y, Threat(norm=norm, eps=1.02 * model.eps)).found.all()
    assert not run(attack, model.target, model.x, model.y, Threat(norm=norm, eps=0.95 * model.eps)).found.any()


@pytest.mark.parametrize("attack", FEWEST, ids=lambda attack: attack.label)
def test_in_l0_they_keep_to_a_budget_of_entries(attack: Attack) -> None:
    model = far((3, 3, 4), 2, 16)
    budget = int(fewest(model).median()) + isinstance(attack, JSMA)
    outcome = run(attack, model.target, model.x, model.y, Threat(norm=Norm.L0, eps=float(budget)))
    assert not outcome.found[fewest(model) > budget].any()
    within = fewest(model, slack=1.02) <= budget - isinstance(attack, JSMA)
    assert outcome.found[within].double().mean() >= 0.9


def test_a_bisection_closes_in_on_the_weight_of_each_sample() -> None:
    least = torch.tensor([3e-4, 0.02, 1.0, 700.0])
    weights = Bisection(torch.zeros(4, 1), 0.5)
    for _ in range(16):
        weights.learn(weights.value >= least)
    torch.testing.assert_close(weights.value, least, rtol=0.02, atol=0.0)


def test_the_smallest_example_of_each_sample_is_kept_and_others_are_not() -> None:
    x, y = torch.full((2, 2), 0.5), torch.tensor([0, 0])
    best = Smallest(x, y, Threat(norm=Norm.L2, eps=torch.inf))
    wrong, right = torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 0.0]])
    best.see(x + 0.2, torch.cat([wrong, right]))
    assert best.found.tolist() == [True, False]
    best.see(x + 0.1, torch.cat([right, wrong]))
    best.see(x[1:] - 0.3, wrong, torch.tensor([1]))
    assert torch.equal(best.point, torch.stack([x[0] + 0.2, x[1] + 0.1]))
    torch.testing.assert_close(best.size, torch.tensor([0.08, 0.02]).sqrt().double(), rtol=1e-5, atol=0.0)


def test_quasi_newton_finds_the_minimum_of_quadratics_in_the_box() -> None:
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(5, 8, 8, generator=generator)
    curve = root @ root.transpose(1, 2) + 0.1 * torch.eye(8)
    pull = torch.randn(5, 8, generator=generator)
    search = BoxLBFGS(torch.full((5, 8), 0.5), memory=8)
    for _ in range(150):
        slope = (curve @ search.trial[:, :, None]).squeeze(2) - pull
        search.learn((0.5 * (slope - pull) * search.trial).sum(1), slope)
    slope = (curve @ search.point[:, :, None]).squeeze(2) - pull
    # At the minimum the slope is 0 inside, and points outwards at the ends.
    inside = (search.point > 0) & (search.point < 1)
    assert inside.any()
    assert not inside.all()
    assert slope[inside].abs().max() < 1e-3
    assert (slope[search.point == 0] > 0).all()
    assert (slope[search.point == 1] < 0).all()


def test_jsma_changes_two_entries_at_a_time_and_all_the_way() -> None:
    weights = torch.tensor([4.0, -3.0, 2.0, 0.5])

    def network(x: Tensor) -> Tensor:
        score = (x * weights).sum(1) - 3.5
        return torch.stack([-score, score], 1)

    x = torch.tensor([[0.5, 0.5, 0.5, 0.5]])
    outcome = run(JSMA(), target_of(network, 2), x, torch.tensor([0]), Threat(norm=Norm.L0, eps=torch.inf))
    assert outcome.best.tolist() == [[1.0, 0.0, 0.5, 0.5]]
