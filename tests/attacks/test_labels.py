"""Attacks by labels alone: what they find on linear models, what they ask, and where they begin."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import Tensor

from auditor.attack import Attack
from auditor.engine.ledger import Ledger
from auditor.engine.view import View
from auditor.norms import distance
from auditor.rng import Rng
from auditor.types import Norm, Threat
from auditor_attacks._border import Border, BorderAttack, tiles
from auditor_attacks._grain import grains, noise
from auditor_attacks.boundary import Boundary
from auditor_attacks.hopskipjump import HopSkipJump
from auditor_attacks.pointwise import Pointwise
from auditor_attacks.rays import RayS
from auditor_attacks.surfree import SurFree
from tests.oracles import Linear, run, target_of

# Weights that are white noise are met by white noise: grain 1.
CASES = (
    (HopSkipJump(queries=1000, looks=30, grain=1), Norm.L2),
    (HopSkipJump(queries=2000, looks=60, grain=1), Norm.LINF),
    (RayS(queries=250), Norm.LINF),
    (SurFree(queries=700, grain=1), Norm.L2),
    (Boundary(queries=800, grain=1), Norm.L2),
)
every_case = pytest.mark.parametrize(("attack", "norm"), CASES, ids=[f"{a.label}-{n}" for a, n in CASES])


def smallest(attack: Attack, model: Linear, norm: Norm) -> Tensor:
    """How much larger than the smallest possible the changes are that it finds without a budget, `(N,)`."""
    outcome = run(attack, model.target, model.x, model.y, Threat(norm=norm, eps=math.inf))
    assert outcome.found.all()
    return distance(outcome.best, model.x, norm) / model.eps


@every_case
@pytest.mark.parametrize(
    ("shape", "num_classes", "n"),
    [((1, 5, 5), 2, 1), ((3, 2, 4), 10, 32), ((20,), 2, 8), ((1,), 2, 3)],
)
def test_without_a_budget_the_change_is_within_ten_percent_of_the_smallest(
    attack: Attack, norm: Norm, shape: tuple[int, ...], num_classes: int, n: int
) -> None:
    model = Linear.draw(shape, num_classes, n, norm, rivals=2)
    ratio = smallest(attack, model, norm)
    assert ratio.min() >= 1.0 - 1e-5
    assert ratio.max() <= 1.1


@pytest.mark.parametrize(
    ("attack", "norm", "most"),
    [
        (HopSkipJump(queries=1500), Norm.L2, 1.1),
        (Boundary(queries=1500), Norm.L2, 1.1),
        (SurFree(queries=1500), Norm.L2, 1.1),
        (HopSkipJump(queries=200), Norm.L2, 2.5),
        (HopSkipJump(queries=200), Norm.LINF, 2.5),
        (Boundary(queries=200), Norm.L2, 1.75),
        (SurFree(queries=200), Norm.L2, 1.5),
        (RayS(queries=150), Norm.LINF, 1.5),
        (RayS(queries=100), Norm.LINF, 2.5),
    ],
    ids=lambda value: f"{value.label}-{value.queries}" if isinstance(value, BorderAttack) else str(value),
)
def test_by_default_it_is_found_too_and_few_questions_leave_it_up_to_two_and_a_half_times_as_large(
    attack: Attack, norm: Norm, most: float
) -> None:
    model = Linear.draw((3, 2, 4), 2, 8, norm)
    ratio = smallest(attack, model, norm)
    assert ratio.min() >= 1.0 - 1e-5
    assert ratio.max() <= most


@every_case
def test_with_a_budget_what_lies_within_reach_falls_and_asks_no_more(attack: Attack, norm: Norm) -> None:
    model = Linear.draw((1, 3, 3), 2, 8, norm)
    reach = run(attack, model.target, model.x, model.y, Threat(norm=norm, eps=1.2 * model.eps))
    assert reach.found.all()
    assert reach.forwards < 0.8 * 8 * attack.queries  # type: ignore[attr-defined]
    short = run(attack, model.target, model.x, model.y, Threat(norm=norm, eps=0.95 * model.eps))
    assert not short.found.any()
    assert short.forwards == 8 * attack.queries  # type: ignore[attr-defined]


def by_sum(least: float) -> tuple[Tensor, Tensor, Tensor]:
    """Black images `(4, 1, 6, 6)`, wrong where the entries sum to more than `least`; weights, samples, labels."""
    weight = torch.linspace(1.0, 2.0, 36)[torch.randperm(36, generator=torch.Generator().manual_seed(0))]
    return weight, torch.zeros(4, 1, 6, 6), torch.zeros(4, dtype=torch.int64)


def test_pointwise_leaves_nearly_as_few_entries_as_suffice() -> None:
    weight, x, y = by_sum(11.0)
    target = target_of(lambda x: torch.stack([torch.full((len(x),), 11.0), x.flatten(1) @ weight], 1), 2)
    fewest = int((weight.sort(descending=True).values.cumsum(0) <= 11.0).sum()) + 1
    outcome = run(Pointwise(queries=800), target, x, y, Threat(norm=Norm.L0, eps=math.inf))
    assert outcome.found.all()
    assert fewest == 6
    assert (distance(outcome.best, x, Norm.L0) <= fewest + 1).all()
    assert run(Pointwise(queries=800), target, x, y, Threat(norm=Norm.L0, eps=fewest + 1.0)).found.all()
    assert not run(Pointwise(queries=800), target, x, y, Threat(norm=Norm.L0, eps=fewest - 1.0)).found.any()


def test_pointwise_resets_every_entry_that_does_not_matter() -> None:
    x, y = torch.full((5, 3, 7, 5), 0.5), torch.zeros(5, dtype=torch.int64)
    # Wrong where the entries 3 and 77 are both bright.
    target = target_of(lambda x: torch.stack([x.flatten(1)[:, 77] * 0.0 + 0.8, x.flatten(1)[:, [3, 77]].amin(1)], 1), 2)
    best = run(Pointwise(queries=150), target, x, y, Threat(norm=Norm.L0, eps=math.inf)).best
    changed = (best != x).flatten(1)
    assert changed.sum(1).tolist() == [2] * 5
    assert changed[:, [3, 77]].all()


@every_case
def test_a_known_example_is_where_the_search_begins(attack: Attack, norm: Norm) -> None:
    """A class in a far corner that no other start meets."""

    def corner(x: Tensor) -> Tensor:
        near = (x.flatten(1)[:, :8] > 0.75).all(1) & (x.flatten(1)[:, 8:] < 0.25).all(1)
        return torch.stack([torch.full((len(x),), 0.5), near.float()], 1)

    x, y = torch.full((2, 16), 0.5), torch.zeros(2, dtype=torch.int64)
    known = torch.cat([torch.ones(2, 8), torch.zeros(2, 8)], 1)
    threat = Threat(norm=norm, eps=math.inf)
    ledger = Ledger.open(x, y, threat, 2, 0.0, math.inf)
    view = View(target_of(corner, 2), ledger, attack.access)
    ledger.record(torch.arange(2), known, corner(known))
    before = view.nearest_distance
    short = dataclasses.replace(attack, queries=250)  # type: ignore[type-var]
    short.perturb(view, x, y, threat, Rng.keyed(0, attack.label, torch.arange(2)))
    assert (view.nearest_distance < 0.75 * before).all()


def test_a_class_that_few_images_belong_to_is_looked_for_to_the_end() -> None:
    x, y = torch.full((6, 10), 0.5), torch.zeros(6, dtype=torch.int64)
    signs = torch.tensor([1.0, -1, 1, -1, -1])
    # One corner in 32, and none of those that are tried first.
    rare = target_of(lambda x: torch.stack([torch.zeros(len(x)), ((x[:, ::2] - 0.5) * signs).amin(1) - 0.3], 1), 2)
    threat = Threat(norm=Norm.LINF, eps=math.inf)
    assert not run(RayS(queries=30), rare, x, y, threat).found.all()
    outcome = run(RayS(queries=900), rare, x, y, threat)
    assert outcome.found.all()
    assert (distance(outcome.best, x, Norm.LINF) < 0.301).all()


@pytest.mark.parametrize("norm", [Norm.LINF, Norm.L2])
def test_points_on_the_way_lie_at_the_distance_asked_for(norm: Norm) -> None:
    x = torch.rand(5, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    border = Border(x, norm)
    border.adopt(torch.tensor([True, True, True, True, False]), 1.0 - x)
    radius = torch.tensor([0.1, 0.2, 0.05, 9.0, 0.3])
    measured = distance(border.at(radius), x, norm).float()
    assert torch.allclose(measured, torch.minimum(radius, border.reach), atol=1e-6)
    assert torch.equal(border.edge[4], x[4])


@pytest.mark.parametrize("grain", [1, 2, 4, 64])
def test_noise_is_as_coarse_as_asked(grain: int) -> None:
    like = torch.zeros(40, 3, 15, 25)
    draws = noise(Rng.keyed(0, "noise", torch.arange(40)), like, grain)
    first, second = next(draws), next(draws)
    tiles = min(grain, 25).bit_length() - 1
    assert grains(like, grain) == tiles + 1
    for fine, coarse in (first, second):
        assert fine.shape == coarse.shape == like.shape
        assert fine.unique().tolist() == [-1.0, 1.0]
        assert fine.mean().abs() < 0.1
        # Neighbours in a tile of 2 share all but the finest noise, which no neighbours share.
        assert (fine[..., ::2, 0:-1:2] * fine[..., ::2, 1::2]).mean().abs() < 0.1
        assert torch.equal(coarse[..., ::2, 0:-1:2], coarse[..., ::2, 1::2])
        assert torch.equal(coarse[..., 0:-1:2, :], coarse[..., 1::2, :])
        assert abs(float(coarse.square().mean()) - tiles) < 0.1 * max(tiles, 1)
    assert (first[0] * second[0]).mean().abs() < 0.1
    assert not tiles or not torch.equal(first[1], second[1])


def test_noise_of_a_sample_does_not_depend_on_the_others() -> None:
    like = torch.zeros(6, 1, 28, 28)
    every, some = (noise(Rng.keyed(0, "noise", at), like[at], 4) for at in (torch.arange(6), torch.tensor([4, 1])))
    for _ in range(40):
        for a, b in zip(next(every), next(some), strict=True):
            assert torch.equal(a[[4, 1]], b)


def test_what_is_no_image_gets_single_entries() -> None:
    fine, coarse = next(noise(Rng.keyed(0, "noise", torch.arange(3)), torch.zeros(3, 11), 4))
    assert fine.shape == (3, 11)
    assert not coarse.any()


def test_tiles_are_black_and_white() -> None:
    x = torch.rand(4, 2, 7, 9)
    drawn = tiles(x, Rng.keyed(0, "tiles", torch.arange(4)), 3)
    assert drawn.unique().tolist() == [0.0, 1.0]
    assert torch.equal(drawn[:, :, :3, :3], drawn[:, :, :1, :1].expand(4, 2, 3, 3))


@pytest.mark.parametrize("attack", [case for case in CASES if isinstance(case[0], BorderAttack)], ids=str)
def test_within_a_budget_the_search_begins_ahead_of_where_earlier_attacks_came_close(
    attack: tuple[Attack, Norm],
) -> None:
    """Towards a far corner that no other start meets; only the first half of the samples has been attacked before."""
    made, norm = dataclasses.replace(attack[0], queries=60), attack[1]
    # Alternate entries: tiles of two or more cannot draw it, and single ones do in one of 2**64 draws.
    there = torch.tensor([1.0, 0.0]).repeat(32)

    def corner(x: Tensor) -> Tensor:
        near = ((x - there).abs() < 0.25).all(1)
        return torch.stack([torch.full((len(x),), 0.5), near.float()], 1)

    x, y = torch.full((16, 64), 0.5), torch.zeros(16, dtype=torch.int64)
    threat = Threat(norm=norm, eps=0.3 if norm is Norm.LINF else 2.4)
    ledger = Ledger.open(x, y, threat, 2, 0.0, math.inf)
    ledger.closest[:8] = torch.lerp(x[:8], there, 0.2)
    view = View(target_of(corner, 2), ledger, made.access)
    made.perturb(view, x, y, threat, Rng.keyed(0, made.label, torch.arange(16)))
    assert ledger.found.tolist() == [True] * 8 + [False] * 8
