"""Attacks that move pixels, on models whose answer to a shift is known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from auditor import Attack, Norm, Threat
from auditor.engine.ledger import Ledger
from auditor.engine.view import Finished, View
from auditor.rng import Rng
from auditor_attacks.spatial import Spatial
from auditor_attacks.spatial_pgd import SpatialPGD
from auditor_attacks.stadv import StAdv
from tests.oracles import target_of

SIDE = 16


def bar(n: int = 3) -> Tensor:
    """Pictures with a bright bar, three pixels wide, in the middle."""
    x = torch.zeros(n, 1, SIDE, SIDE)
    x[..., SIDE // 2 - 1 : SIDE // 2 + 2] = 1.0
    return x


def left_of_centre(shift: float) -> object:
    """Wrong where the bar's centre of mass moved left by more than `shift` pixels, and never elsewhere."""
    columns = torch.arange(SIDE, dtype=torch.float32)

    def network(x: Tensor) -> Tensor:
        mass = x.sum((1, 2)) + 1e-9
        moved = (mass * columns).sum(1) / mass.sum(1) - SIDE / 2
        score = -moved - shift
        return torch.stack([-score, score], 1)

    return target_of(network, 2)


def found(attack: Attack, target: object, threat: Threat, n: int = 3, indices: Tensor | None = None) -> Ledger:
    x, y = bar(n), torch.zeros(n, dtype=torch.int64)
    ledger = Ledger.open(x, y, threat, 2, margin=0.0, deadline=math.inf)
    origin = threat.origin(x)
    rng = Rng.keyed(0, attack.label, torch.arange(n) if indices is None else indices)
    try:
        last = attack.perturb(View(target, ledger, attack.access), origin.clone(), y, threat, rng)  # type: ignore[arg-type]
        assert last.shape == origin.shape
        View(target, ledger, attack.access).labels(threat.project(last, origin))  # type: ignore[arg-type]
    except Finished:
        pass
    return ledger


SEARCHES = [Spatial(), Spatial(search="random", draws=60), SpatialPGD()]
# Turning moves the centre of mass too, where corners are cut.
MOVED = Threat(norm=Norm.SPATIAL, eps=1.0, translation=3.0, rotation=1e-3)


@pytest.mark.parametrize("attack", SEARCHES, ids=lambda a: a.label)
def test_a_shift_within_the_limits_is_found_and_none_beyond(attack: Attack) -> None:
    assert found(attack, left_of_centre(2.0), MOVED).found.all()
    assert not found(attack, left_of_centre(3.2), MOVED).found.any()


@pytest.mark.parametrize("attack", SEARCHES, ids=lambda a: a.label)
def test_a_smaller_budget_is_kept(attack: Attack) -> None:
    half = Threat(norm=Norm.SPATIAL, eps=0.5, translation=3.0, rotation=1e-3)
    assert not found(attack, left_of_centre(2.0), half).found.any()
    ledger = found(attack, left_of_centre(1.0), half)
    assert ledger.found.all()
    assert (threat_sizes(ledger, half) <= 0.5 + 1e-6).all()


def threat_sizes(ledger: Ledger, threat: Threat) -> Tensor:
    return threat.distance(ledger.best, ledger.origin)


def test_the_grid_finds_the_smallest_of_its_shifts() -> None:
    smallest = Threat(norm=Norm.SPATIAL, eps=math.inf, translation=4.0)
    ledger = found(Spatial(shifts=9, rotations=1), left_of_centre(1.5), smallest)
    assert ledger.best_distance.tolist() == pytest.approx([0.5] * 3)


def test_the_grid_asks_no_more_than_it_says() -> None:
    ledger = found(Spatial(shifts=3, rotations=5), left_of_centre(9.0), MOVED)
    assert ledger.asked.tolist() == [46, 46, 46]
    assert Spatial(shifts=3, rotations=5).passes(2).forwards == 46


@pytest.mark.parametrize("attack", [SpatialPGD(), StAdv()], ids=lambda a: a.label)
def test_climbs_cost_no_more_than_they_say(attack: Attack) -> None:
    norm = next(iter(attack.norms))
    ledger = found(attack, left_of_centre(90.0), Threat(norm=norm, eps=1.0))
    told = attack.passes(2)
    assert told is not None
    assert ledger.asked.tolist() == [told.forwards] * 3
    assert ledger.climbed.tolist() == [told.backwards] * 3


def test_pixels_flow_as_far_as_they_may() -> None:
    """A bar moves by the longest way where every pixel does: the flow finds 95 of 100, and never more."""
    assert found(StAdv(), left_of_centre(0.95), Threat(norm=Norm.FLOW, eps=1.0)).found.all()
    # The centre of mass also moves where the bar's edges alone do, so beyond the way itself a little is possible.
    assert not found(StAdv(), left_of_centre(2.1), Threat(norm=Norm.FLOW, eps=1.0)).found.any()


def test_a_smooth_flow_varies_less() -> None:
    def variation(smoothness: float) -> float:
        threat, x = Threat(norm=Norm.FLOW, eps=1.0), bar()
        y = torch.zeros(3, dtype=torch.int64)
        view = View(left_of_centre(90.0), Ledger.open(x, y, threat, 2, 0.0, math.inf), StAdv.access)  # type: ignore[arg-type]
        rng = Rng.keyed(0, "stadv", torch.arange(3))
        flow = StAdv(smoothness=smoothness).perturb(view, threat.origin(x), y, threat, rng)
        return float(
            (flow[..., 1:] - flow[..., :-1]).abs().mean() + (flow[..., 1:, :] - flow[..., :-1, :]).abs().mean()
        )

    assert variation(1.0) < 0.7 * variation(0.0)


@pytest.mark.parametrize("attack", [*SEARCHES, StAdv(steps=8)], ids=lambda a: a.label)
def test_what_a_sample_is_dealt_does_not_depend_on_the_others(attack: Attack) -> None:
    norm = next(iter(attack.norms))
    threat = Threat(norm=norm, eps=0.6, translation=3.0)
    whole = found(attack, left_of_centre(0.5), threat, 3)
    part = found(attack, left_of_centre(0.5), threat, 1, torch.tensor([2]))
    assert torch.allclose(part.best[0], whole.best[2], atol=1e-5)
