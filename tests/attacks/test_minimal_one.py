"""Searches for the smallest change find it, where it is known in closed form, and no attack is far from it."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import Tensor, nn

from auditor import Norm, Rng, Threat, View
from auditor.attack import Attack
from auditor.engine.ledger import Ledger
from auditor.engine.suites import SMALLEST
from auditor.norms import distance
from auditor_attacks import auditor_attacks
from auditor_attacks._planes import onto_plane, past_plane
from auditor_attacks._proximal import nearer
from auditor_attacks.alma import ALMA
from auditor_attacks.ddn import DDN
from auditor_attacks.deepfool import DeepFool
from auditor_attacks.fab import FAB
from auditor_attacks.fmn import FMN
from auditor_attacks.pdpgd import PDPGD
from auditor_attacks.superdeepfool import SuperDeepFool
from tests.oracles import Linear, target_of

NORMS = (Norm.LINF, Norm.L2, Norm.L1)
SIZES = (((1, 5, 5), 2, 1), ((3, 3, 4), 10, 32), ((20,), 10, 8))
SHAPES = tuple(shape for shape, _, _ in SIZES)
EXACT = (
    ALMA(steps=300, step_size=0.1),
    DDN(steps=150),
    FMN(steps=150),
    DeepFool(steps=4, overshoot=0.005),
    SuperDeepFool(rounds=3, steps=4, classes=9),
    FAB(steps=8, classes=9, overshoot=0.005),
    FAB(steps=8, aim="targets", classes=9, overshoot=0.005),
)
CASES = [(attack, norm) for attack in EXACT for norm in NORMS if norm in attack.norms]


def smallest(attack: Attack, model: nn.Module, x: Tensor, y: Tensor, norm: Norm, known: Tensor | None = None) -> Ledger:
    """What is known after the attack looked for the smallest change; `known` are examples found before it."""
    threat = Threat(norm=norm, eps=math.inf)
    target = target_of(model, model(x).shape[1])
    ledger = Ledger.open(x, y, threat, target.num_classes, margin=0.0, deadline=math.inf)
    view, rows = View(target, ledger, attack.access), torch.arange(len(x))
    if known is not None:
        view.labels(known)
    view.labels(attack.perturb(view, x.clone(), y.clone(), threat, Rng.keyed(0, attack.label, rows)))
    return ledger


@pytest.mark.parametrize(("attack", "norm"), CASES, ids=[f"{a.label}-{n}" for a, n in CASES])
@pytest.mark.parametrize(("shape", "num_classes", "n"), SIZES, ids=str)
def test_the_distance_to_a_linear_border_is_found_within_one_percent_and_never_undercut(
    attack: Attack, norm: Norm, shape: tuple[int, ...], num_classes: int, n: int
) -> None:
    # Searches that follow the likeliest class see two in question, those that compare classes all of them.
    rivals = 2 if isinstance(attack, ALMA | DDN | FMN) else None
    model = Linear.draw(shape, num_classes, n, norm, rivals=rivals)
    found = smallest(attack, model.network, model.x, model.y, norm).best_distance
    assert (found >= model.eps * (1.0 - 1e-4)).all()
    assert (found <= model.eps * 1.01).all()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("shape", "num_classes", "n"), [((3, 5, 7), 10, 32), ((60,), 2, 1)], ids=str)
def test_pdpgd_finds_the_distance_to_a_linear_border_where_it_is_of_the_size_of_its_steps(
    shape: tuple[int, ...], num_classes: int, n: int, norm: Norm
) -> None:
    generator = torch.Generator().manual_seed(0)
    entries = math.prod(shape)
    layer = nn.Linear(entries, num_classes).requires_grad_(False)
    layer.weight.copy_(torch.randn(num_classes, entries, generator=generator))
    # Two of the classes are ever in question.
    layer.bias.zero_()[2:] = -2.0 * entries
    slope = layer.weight[1] - layer.weight[0]
    # The margin of class 1 at gray is minus a tenth of what pixels can move it; samples lie on one level of it.
    rise = 0.1 * slope.abs().sum()
    layer.bias[0] = 0.5 * slope.sum() + rise
    noise = 0.2 * (torch.rand(n, entries, generator=generator) - 0.5)
    x = 0.5 + noise - (noise @ slope)[:, None] * slope / slope.square().sum()
    exact = distance(onto_plane(x, slope.expand_as(x), rise.expand(n), norm), x, norm)
    model = nn.Sequential(nn.Flatten(), layer)
    found = smallest(PDPGD(), model, x.view(n, *shape), torch.zeros(n, dtype=torch.int64), norm).best_distance
    assert (found >= exact * (1.0 - 1e-4)).all()
    assert (found <= exact * 1.01).all()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_fmn_finds_the_fewest_entries(shape: tuple[int, ...]) -> None:
    # Few entries matter, each with one weight: how many must go from gray to black is a quotient.
    entries, needed = math.prod(shape), 4
    weight = torch.zeros(2, entries)
    weight[1, :12] = -1.0
    layer = nn.Linear(entries, 2).requires_grad_(False)
    layer.weight.copy_(weight)
    # Twelve gray entries sum to 6, each that turns black takes 0.5 away, and class 1 wins below this.
    layer.bias.copy_(torch.tensor([0.0, 6.0 - 0.5 * needed + 0.25]))
    model = nn.Sequential(nn.Flatten(), layer)
    x, y = torch.full((5, *shape), 0.5), torch.zeros(5, dtype=torch.int64)
    found = smallest(FMN(steps=100), model, x, y, Norm.L0).best_distance
    assert found.tolist() == [needed] * 5


def planes(norm: Norm, n: int = 40, entries: int = 12) -> tuple[Tensor, Tensor, Tensor]:
    """Points at the walls of the box and inside, gradients, and rises that the box allows."""
    generator = torch.Generator().manual_seed(1)
    point = torch.rand(n, entries, generator=generator)
    point = torch.where(point < 0.3, 0.0, torch.where(point > 0.7, 1.0, point))
    gradient = torch.randn(n, entries, generator=generator)
    room = torch.where(gradient > 0, 1.0 - point, point)
    return point, gradient, 0.7 * (gradient.abs() * room).sum(1)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_projections_onto_planes_reach_them_inside_the_box(norm: Norm, sign: float) -> None:
    point, gradient, rise = planes(norm)
    moved = onto_plane(point, sign * gradient, sign * rise, norm)
    assert moved.min() >= 0.0
    assert moved.max() <= 1.0
    assert torch.allclose((gradient * (moved - point)).sum(1), rise, atol=1e-4)


@pytest.mark.parametrize("norm", NORMS)
def test_no_point_of_box_and_plane_is_nearer_than_the_projection(norm: Norm) -> None:
    point, gradient, rise = planes(norm)
    moved = onto_plane(point, gradient, rise, norm)
    best = distance(moved, point, norm)
    generator = torch.Generator().manual_seed(2)
    for _ in range(200):
        # Other points that rise as much: random ones, and the projection a little changed, pushed on along the slope.
        noise = torch.randn(point.shape, generator=generator) * 0.1
        other = onto_plane((moved + noise).clamp(0.0, 1.0), gradient, torch.zeros(len(point)), Norm.L2)
        short = rise - (gradient * (other - point)).sum(1)
        other = onto_plane(other, gradient, short, Norm.L2)
        reached = (gradient * (other - point)).sum(1) >= rise - 1e-5
        assert (distance(other, point, norm) >= best - 1e-4)[reached].all()
        assert reached.float().mean() > 0.9


@pytest.mark.parametrize("norm", NORMS)
def test_where_the_box_ends_before_the_plane_its_corner_is_returned(norm: Norm) -> None:
    point, gradient, rise = planes(norm)
    corner = (gradient > 0).float()
    assert torch.allclose(onto_plane(point, gradient, 2.0 * rise, norm), corner, atol=1e-5)


@pytest.mark.parametrize("norm", [Norm.LINF, Norm.L2])
def test_far_from_the_walls_both_projections_agree(norm: Norm) -> None:
    _, gradient, _ = planes(norm)
    point, rise = torch.full_like(gradient, 0.5), torch.full((len(gradient),), 0.2)
    assert torch.allclose(past_plane(point, gradient, rise, norm), onto_plane(point, gradient, rise, norm), atol=1e-6)


@pytest.mark.parametrize("norm", [*NORMS, Norm.L0])
def test_no_point_makes_a_better_bargain_than_the_proximal_one(norm: Norm) -> None:
    generator = torch.Generator().manual_seed(0)
    delta = torch.randn(30, 8, generator=generator)
    metric = torch.rand(30, 8, generator=generator) + 0.2
    price = torch.logspace(-2, 0.5, 30)

    def worth(z: Tensor) -> Tensor:
        return price * distance(z, torch.zeros_like(z), norm) + (metric * (z - delta).square()).double().sum(1) / 2.0

    best = nearer(delta, metric, price, norm)
    assert (worth(best) <= torch.minimum(worth(delta), worth(torch.zeros_like(delta))) + 1e-5).all()
    for _ in range(200):
        noise = torch.randn(delta.shape, generator=generator)
        for scale in (1e-3, 1e-2, 0.1, 1.0):
            assert (worth(best + scale * noise) >= worth(best) - 1e-4).all()
            # Zeros stay zeros in some.
            assert (worth(best + scale * noise * (best != 0)) >= worth(best) - 1e-4).all()


def bent(seed: int = 3) -> tuple[nn.Module, Tensor, Tensor]:
    """A network with hidden units, and samples."""
    generator = torch.Generator().manual_seed(seed)
    model = nn.Sequential(nn.Linear(12, 20), nn.Tanh(), nn.Linear(20, 4)).requires_grad_(False)
    for parameter in model.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.6)
    x = torch.rand(24, 12, generator=generator)
    return model, x, model(x).argmax(1)


@pytest.mark.parametrize("norm", NORMS)
def test_fab_and_fmn_go_lower_than_a_first_linearisation_and_more_steps_never_hurt(norm: Norm) -> None:
    model, x, y = bent()
    rough = smallest(FAB(steps=2, classes=1), model, x, y, norm).best_distance
    fine = smallest(FAB(steps=30, classes=3), model, x, y, norm).best_distance
    other = smallest(FMN(steps=200), model, x, y, norm).best_distance
    assert (fine <= rough * 1.02).all()
    assert (fine / rough).mean() < 0.98
    assert abs(float((other / fine).median()) - 1.0) < 0.03


def test_superdeepfool_goes_lower_than_deepfool_and_ddn_agrees_with_it() -> None:
    model, x, y = bent()
    first = smallest(DeepFool(), model, x, y, Norm.L2).best_distance
    better = smallest(SuperDeepFool(), model, x, y, Norm.L2).best_distance
    other = smallest(DDN(steps=200), model, x, y, Norm.L2).best_distance
    assert better.median() < 0.98 * first.median()
    assert abs(float((better / other).median()) - 1.0) < 0.03


def test_superdeepfool_walks_on_in_the_next_round_where_it_met_no_border() -> None:
    model, x, y = bent()
    found = smallest(SuperDeepFool(rounds=12, steps=3), model, x, y, Norm.L2).best_distance.isfinite()
    assert int((~found).sum()) <= 1


NEAREST = (
    FMN(steps=25, start="nearest"),
    FAB(steps=5, start="nearest"),
)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("attack", NEAREST, ids=lambda a: a.label)
def test_a_search_that_starts_at_the_nearest_example_improves_on_it(attack: Attack, norm: Norm) -> None:
    model, x, y = bent()
    known = smallest(FAB(steps=30, classes=3), model, x, y, norm).best
    # Twice as far as need be, where the box allows.
    known = (x + 1.6 * (known - x)).clamp(0.0, 1.0)
    wrong = model(known).argmax(1) != y
    assert wrong.float().mean() > 0.8
    before = distance(known, x, norm)[wrong]
    after = smallest(attack, model, x, y, norm, known).best_distance[wrong]
    assert (after <= before).all()
    assert (after / before).median() < 0.85
    clean = smallest(dataclasses.replace(attack, start="clean"), model, x, y, norm, known)
    assert not torch.equal(clean.best_distance[wrong], after)


def test_rows_that_crossed_cost_deepfool_nothing_more() -> None:
    model, x, y = bent()
    ledger = smallest(DeepFool(steps=50, classes=3), model, x, y, Norm.L2)
    assert ledger.forwards < len(x) * 4 * 15
    assert ledger.asked.unique().numel() > 1


def test_targeted_fab_reaches_more_than_the_class_that_looks_nearest() -> None:
    model, x, y = bent()
    one = smallest(FAB(steps=20, aim="targets", classes=1), model, x, y, Norm.L2).best_distance
    three = smallest(FAB(steps=20, aim="targets", classes=3), model, x, y, Norm.L2).best_distance
    assert (three <= one).all()
    assert (three < 0.99 * one).any()


def test_restarts_of_fab_differ_and_belong_to_the_sample() -> None:
    model, x, y = bent()
    once = smallest(FAB(steps=4, classes=1), model, x, y, Norm.L2)
    more = smallest(FAB(steps=4, classes=1, restarts=4), model, x, y, Norm.L2)
    assert (more.best_distance <= once.best_distance).all()
    assert (more.best_distance < once.best_distance).any()
    assert more.forwards > 3 * once.forwards


@pytest.mark.parametrize("norm", [*NORMS, Norm.L0])
def test_pdpgd_goes_as_low_as_fmn(norm: Norm) -> None:
    model, x, y = bent()
    one = smallest(PDPGD(steps=300), model, x, y, norm).best_distance
    other = smallest(FMN(steps=300), model, x, y, norm).best_distance
    assert float((one / other).mean()) < 1.06


@pytest.mark.parametrize("suite", SMALLEST)
@pytest.mark.parametrize("norm", [*NORMS, Norm.L0])
def test_suites_that_look_for_the_smallest_change_hold_attacks_that_do(suite: str, norm: Norm) -> None:
    known = {attack.name: attack for attack in auditor_attacks()}
    attacks = [known[name](**parameters) for name, parameters, _ in SMALLEST[suite][norm]]
    assert attacks
    assert all(attack.minimal and norm in attack.norms for attack in attacks)
