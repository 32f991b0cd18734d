"""Attacks that see scores only reach what is known in closed form, and search as their papers say."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from auditor import LaneAttack, Lanes, Norm, Rng, Threat, View, margins
from auditor.attack import Attack
from auditor.engine.ledger import Ledger
from auditor.engine.view import Gradient
from auditor.norms import distance
from auditor_attacks._finite import FiniteDifferences
from auditor_attacks._marks import Marks, Surface
from auditor_attacks.genattack import GenAttack
from auditor_attacks.nes import NES
from auditor_attacks.one_pixel import OnePixel
from auditor_attacks.simba import SimBA
from auditor_attacks.sparse_rs import SparseRS
from auditor_attacks.spsa import SPSA
from tests.attacks.test_contract import network, samples
from tests.oracles import Linear, run, target_of

SIZES = (((1, 4, 4), 2, 1), ((3, 2, 3), 10, 32), ((12,), 2, 8))
DENSE = (
    (SPSA(queries=2200, samples=20), Norm.LINF),
    (SPSA(queries=1000), Norm.L2),
    (NES(queries=3000, samples=20), Norm.LINF),
    (NES(queries=600), Norm.L2),
    (SimBA(queries=800), Norm.L2),
    (SimBA(queries=800, basis="pixel"), Norm.L2),
    (GenAttack(queries=1500), Norm.LINF),
)
every_size = pytest.mark.parametrize(("shape", "num_classes", "n"), SIZES, ids=str)


@pytest.mark.parametrize(("attack", "norm"), DENSE, ids=[f"{attack.label}-{norm}" for attack, norm in DENSE])
@every_size
def test_what_lies_five_percent_within_reach_is_found_and_nothing_out_of_it(
    attack: Attack, norm: Norm, shape: tuple[int, ...], num_classes: int, n: int
) -> None:
    model = Linear.draw(shape, num_classes, n, norm, rivals=2)
    reach = Threat(norm=norm, eps=1.05 * model.eps)
    assert run(attack, model.target, model.x, model.y, reach).found.all()
    short = dataclasses.replace(attack, queries=100), Threat(norm=norm, eps=0.95 * model.eps)
    assert not run(short[0], model.target, model.x, model.y, short[1]).found.any()


@dataclass(frozen=True)
class Sparse:
    """A linear model without its bias, two classes of which are ever in question; samples, and how far each entry can
    move their margins.
    """

    slope: Tensor
    x: Tensor
    gain: Tensor

    @classmethod
    def draw(cls, shape: tuple[int, ...], n: int) -> Sparse:
        generator = torch.Generator().manual_seed(0)
        slope = torch.randn(math.prod(shape), generator=generator)
        x = 0.2 + 0.6 * torch.rand(n, *shape, generator=generator)
        return cls(slope, x, torch.maximum(slope * (1.0 - x.flatten(1)), -slope * x.flatten(1)))

    def check(self, attack: Attack, eps: int, most: Tensor, num_classes: int) -> None:
        """Samples fall whose margin is five percent less than `most`, `(N,)`, moves it, and none with a larger one."""
        sums = self.x.flatten(1) @ self.slope
        bias = (sums + most).median() + 1e-3
        margin = bias - sums
        right = margin > 0.0
        rest = torch.full((num_classes - 2,), -100.0)

        def logits(x: Tensor) -> Tensor:
            return torch.stack([bias.expand(len(x)), x.flatten(1) @ self.slope, *rest[:, None].expand(-1, len(x))], 1)

        target = target_of(logits, num_classes)
        y = torch.zeros(int(right.sum()), dtype=torch.int64)
        found = run(attack, target, self.x[right], y, Threat(norm=Norm.L0, eps=eps)).found
        within, beyond = (1.05 * margin < most)[right], (margin > most)[right]
        assert within.any()
        assert beyond.any()
        assert found[within].all()
        assert not found[beyond].any()


SPARSE = (((1, 4, 4), 2, 24), ((3, 2, 3), 10, 48), ((12,), 2, 24))
every_sparse = pytest.mark.parametrize(("shape", "num_classes", "n"), SPARSE, ids=str)


@every_sparse
@pytest.mark.parametrize(("eps", "queries"), [(1, 200), (4, 400)])
def test_sparse_rs_finds_the_best_entries_to_change(
    shape: tuple[int, ...], num_classes: int, n: int, eps: int, queries: int
) -> None:
    model = Sparse.draw(shape, n)
    model.check(SparseRS(queries=queries), eps, model.gain.topk(eps, 1).values.sum(1), num_classes)


@pytest.mark.parametrize("attack", [SparseRS(queries=300, unit="pixel"), OnePixel(queries=1100)], ids=str)
@every_sparse
def test_the_best_pixel_is_found(attack: Attack, shape: tuple[int, ...], num_classes: int, n: int) -> None:
    channels = shape[0] if len(shape) == 3 else 1
    model = Sparse.draw(shape, n)
    model.check(attack, channels, model.gain.view(n, channels, -1).sum(1).amax(1), num_classes)


def begun(x: Tensor, seed: int = 0) -> Lanes:
    rows = torch.arange(len(x))
    low = torch.full((len(x),), -torch.inf)
    rng = Rng.keyed(seed, "lanes", rows)
    return Lanes(x=x, y=0 * rows, goal=0 * rows, step=0 * rows, rng=rng, point=x.clone(), closest=x.clone(), margin=low)


def asked(attack: LaneAttack, x: Tensor, threat: Threat, model: nn.Module, count: int) -> tuple[list[Lanes], Tensor]:
    """The state after each of so many answers, and the questions, `(count + 1, N, …)`."""
    target = target_of(model, 2)
    view = View(target, Ledger.open(x, torch.zeros(len(x), dtype=torch.int64), threat, 2, 0.0, math.inf), attack.access)
    lanes = attack.begin(view, begun(x), threat, None)
    states, points = [], [lanes.point.clone()]
    for _ in range(count):
        answer = model(lanes.point)
        attack.advance(lanes, Gradient(x, x, answer, margins(answer, lanes.y)), threat)
        lanes.step += 1
        states.append(lanes.select(torch.arange(len(x))))
        points.append(lanes.point.clone())
    return states, torch.stack(points)


def surface(unit: str, shape: tuple[int, ...] = (3, 4, 4), n: int = 50) -> Surface:
    x = torch.rand(n, *shape, generator=torch.Generator().manual_seed(0))
    return Surface.of(torch.where(x < 0.3, 0.0, torch.where(x > 0.7, 1.0, x)), unit)


def rng_of(n: int, name: str = "marks") -> Rng:
    return Rng.keyed(0, name, torch.arange(n))


@pytest.mark.parametrize(("unit", "eps", "marks"), [("entry", 7.0, 7), ("pixel", 7.0, 2), ("pixel", 1000.0, 16)])
def test_marks_spend_the_budget_and_each_can_be_seen(unit: str, eps: float, marks: int) -> None:
    canvas = surface(unit)
    assert canvas.affordable(eps) == marks
    image = canvas.painted(canvas.marked(marks, rng_of(50)))
    changed = (image != canvas.x).view(50, canvas.channels, -1)
    assert (changed.any(1).sum(1) == marks).all()
    assert image[image != canvas.x].unique().tolist() == [0.0, 1.0]


@pytest.mark.parametrize("count", [1, 3, 6])
def test_as_many_marks_move_as_are_told_to_and_only_to_free_places(count: int) -> None:
    canvas = surface("entry")
    marks = canvas.marked(6, rng_of(50))
    moved = canvas.moved(marks, torch.full((50,), count), rng_of(50, "moves"))
    stays = moved.places == marks.places
    free = (moved.places[:, :, None] != marks.places[:, None, :]).all(2)
    assert torch.equal(free, ~stays)
    touched = ~stays | (moved.colours != marks.colours).any(2)
    assert (touched.sum(1) <= count).all()
    assert touched.sum() > 0.9 * 50 * count


def test_a_mark_moves_to_every_free_place_alike_and_as_often_stays_where_it_is() -> None:
    canvas = surface("entry", (1, 2, 4), n=4000)
    taken = torch.tensor([[6, 0, 3]]).expand(4000, -1)
    moved = canvas.moved(Marks(taken, torch.zeros(4000, 3, 1)), torch.full((4000,), 3), rng_of(4000))
    for mark in range(3):
        places = moved.places[:, mark].bincount(minlength=8) / 4000
        allowed = [1, 2, 4, 5, 7, int(taken[0, mark])]
        assert (places[allowed] - 1 / 6).abs().max() < 0.03
        assert places[allowed].sum() == 1.0


def test_where_everything_is_marked_marks_change_their_colour() -> None:
    canvas = surface("entry", (1, 1, 3))
    moved = canvas.moved(canvas.marked(3, rng_of(50)), torch.full((50,), 2), rng_of(50, "moves"))
    assert (moved.places.sort(1).values == torch.arange(3)).all()


def test_sparse_rs_moves_fewer_and_fewer_marks() -> None:
    queries = torch.tensor([0, 1, 50, 51, 200, 500, 1000, 2000, 4000, 6000, 8000, 9999])
    shares = SparseRS(queries=10_000, alpha=0.6)._shares(queries)
    divisors = torch.tensor([1, 2, 2, 4, 4, 5, 6, 8, 10, 12, 15, 20])
    assert torch.allclose(shares, 0.6 / divisors)
    assert torch.allclose(SparseRS(queries=1000, alpha=0.6)._shares(queries[-2:] // 10), shares[-2:])


def test_sparse_rs_goes_back_to_its_best_marks() -> None:
    model, x = network((20,), 2), torch.rand(5, 20, generator=torch.Generator().manual_seed(3))
    threat = Threat(norm=Norm.L0, eps=4)
    states, points = asked(SparseRS(queries=100), x, threat, model, 60)
    for i, state in enumerate(states):
        seen = torch.stack([model(point).diff(dim=1).squeeze(1) for point in points[: i + 1]])
        assert torch.allclose(state.value, seen.amax(0))  # type: ignore[attr-defined]


@pytest.mark.parametrize("basis", ["dct", "pixel"])
@pytest.mark.parametrize("shape", [(2, 3, 5), (7,), (2, 4)], ids=str)
def test_the_directions_of_simba_are_a_basis(basis: str, shape: tuple[int, ...]) -> None:
    entries = math.prod(shape)
    lanes = begun(torch.zeros(entries, *shape))
    directions = SimBA(basis=basis)._direction(lanes, torch.arange(entries)).flatten(1)  # type: ignore[arg-type]
    assert torch.allclose(directions @ directions.T, torch.eye(entries), atol=1e-5)


def test_simba_tries_every_direction_once_slow_waves_first() -> None:
    x = torch.full((3, 2, 8, 8), 0.5)
    lanes = SimBA(slowest=0.5).begin(None, begun(x), Threat(norm=Norm.L2, eps=1.0), None)  # type: ignore[arg-type]
    assert torch.equal(lanes.order.sort(1).values, torch.arange(128).expand(3, -1))
    row, column = lanes.order % 64 // 8, lanes.order % 8
    assert (torch.maximum(row, column)[:, :32] < 4).all()
    assert not torch.equal(lanes.order[0], lanes.order[1])


def test_simba_goes_back_where_ahead_did_not_help_and_on_where_neither_did() -> None:
    slope = torch.tensor([3.0, -3.0, 0.0])
    model = lambda x: torch.stack([torch.zeros(len(x)), x @ slope - 9.0], 1)  # noqa: E731
    x = torch.full((40, 3), 0.5)
    attack = SimBA(queries=50, basis="pixel", step_size=0.1)
    states, _ = asked(attack, x, Threat(norm=Norm.L2, eps=10.0), model, 6)  # type: ignore[arg-type]
    # The sample itself, then 1, 2 and 2 questions for the three directions.
    walk: Any = states[5]
    assert torch.allclose(walk.image - x, torch.tensor([0.1, -0.1, 0.0]).expand(40, -1), atol=1e-6)
    assert (walk.turn == 3).all()


def test_simba_looks_for_ever_smaller_examples_where_the_smallest_is_wanted() -> None:
    model = Linear.draw((1, 5, 5), 2, 8, Norm.L2)
    threat = Threat(norm=Norm.L2, eps=math.inf)
    ledger = Ledger.open(model.x, model.y, threat, 2, 0.0, math.inf)
    attack = SimBA(queries=900)
    attack.perturb(
        View(model.target, ledger, attack.access), model.x, model.y, threat, Rng.keyed(0, "simba", torch.arange(8))
    )
    sizes = distance(ledger.best, model.x, Norm.L2)
    assert torch.allclose(sizes, ledger.best_distance)
    assert (sizes < 1.1 * model.eps).all()


@pytest.mark.parametrize("cls", [SPSA, NES])
@pytest.mark.parametrize("norm", [Norm.LINF, Norm.L2])
def test_estimates_point_where_gradients_do(cls: type[FiniteDifferences], norm: Norm) -> None:
    model, x = network((16,), 2), torch.full((6, 16), 0.5)
    leaf = x.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(model(leaf).diff(dim=1).sum(), leaf)
    attack = cls(queries=1000, samples=300, delta=0.02)
    states, _ = asked(attack, x, Threat(norm=norm, eps=0.2), model, 599)
    # The last question of all is still to be answered from the other side.
    assert (torch.cosine_similarity(states[-2].total, gradient) > 0.95).all()  # type: ignore[attr-defined]


@pytest.mark.parametrize("cls", [SPSA, NES])
def test_the_last_question_is_the_image_that_was_climbed_to(cls: type[FiniteDifferences]) -> None:
    model, x = network((16,), 2), torch.full((4, 16), 0.5)
    states, points = asked(cls(queries=42, samples=2), x, Threat(norm=Norm.LINF, eps=0.1), model, 41)
    assert torch.equal(points[-1], states[-1].image)  # type: ignore[attr-defined]
    assert not torch.equal(points[-2], states[-2].image)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("attack", "norm", "eps"),
    [(OnePixel(population=8, pixels=2), Norm.L0, 2.0), (GenAttack(population=8), Norm.LINF, 0.1)],
    ids=["one-pixel", "genattack"],
)
def test_the_fittest_member_of_a_population_is_the_best_that_was_ever_asked_about(
    attack: LaneAttack, norm: Norm, eps: float
) -> None:
    model, x = network((20,), 2), torch.rand(5, 20, generator=torch.Generator().manual_seed(3))
    states, points = asked(attack, x, Threat(norm=norm, eps=eps), model, 50)
    seen = torch.stack([model(point).diff(dim=1).squeeze(1) for point in points])
    for i, state in enumerate(states):
        assert torch.allclose(state.fitness.amax(1), seen[: i + 1].amax(0))  # type: ignore[attr-defined]
    # Selection pays: what is asked about later is better than the first members, which are random.
    assert seen[-8:].mean() > seen[:8].mean() + 0.1


@pytest.mark.parametrize(("shape", "pixels", "most"), [((3, 6, 6), 1, 3), ((3, 6, 6), 4, 12), ((1, 6, 6), 3, 3)])
def test_one_pixel_changes_as_many_pixels_as_it_was_told_to(shape: tuple[int, ...], pixels: int, most: int) -> None:
    model = network(shape, 2)
    x, _ = samples(model, shape, 6)
    attack = OnePixel(pixels=pixels, population=8)
    _, points = asked(attack, x, Threat(norm=Norm.L0, eps=math.inf), model, 30)
    changed = (points != x).flatten(3).any(2).sum(2)
    assert changed.amax() == pixels
    counted = (points != x).flatten(2).sum(2)
    assert counted.amax() <= most
    _, points = asked(attack, x, Threat(norm=Norm.L0, eps=2), model, 30)
    assert (points != x).flatten(2).sum(2).amax() <= 2


def test_coarse_noise_is_enlarged_smoothly() -> None:
    x = torch.full((2, 1, 12, 12), 0.5)
    threat = Threat(norm=Norm.LINF, eps=0.1)
    lanes = GenAttack(grid=3).begin(None, begun(x), threat, None)  # type: ignore[arg-type]
    assert lanes.members.shape == (2, 6, 1, 3, 3)
    steps = lanes.point.diff(dim=3).abs().amax()
    fine = GenAttack().begin(None, begun(x), threat, None)  # type: ignore[arg-type]
    assert steps < 0.5 * fine.point.diff(dim=3).abs().amax()
