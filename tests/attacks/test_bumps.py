"""In l2 and l1 squares move budget into bumps: as the paper shapes them, and for every sample as if it were alone."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from auditor import Norm, Rng, Threat, View, margins
from auditor.engine.ledger import Ledger
from auditor.engine.view import Gradient
from auditor.norms import distance, tolerance
from auditor.testing.attacks import network, samples
from auditor_attacks._bumps import NUMBERS, Window, grid, moved
from auditor_attacks._squares import Canvas
from auditor_attacks.square import Painting, Square
from tests.oracles import target_of

THREATS = {Norm.L2: Threat(norm=Norm.L2, eps=0.5), Norm.L1: Threat(norm=Norm.L1, eps=2.0)}
every_norm = pytest.mark.parametrize("norm", THREATS)


def drawn(n: int, channels: int, seed: int = 0) -> Tensor:
    return Rng.keyed(seed, "bumps", torch.arange(n)).uniform(NUMBERS + channels)


def alone(height: int, width: int, dealt: Tensor, share: float = 1.0) -> Tensor:
    """What is painted into a gray image that was not changed before, `(height, width)`."""
    x = torch.full((1, 1, height, width), 0.5)
    return (moved(x, x.clone(), Threat(norm=Norm.L2, eps=0.1), torch.tensor([share]), dealt[:1]) - x)[0, 0]


def test_a_bump_is_two_opposed_pyramids_whose_sides_fall_as_the_sum_of_inverse_squares() -> None:
    dealt = drawn(1, 1)
    for turned in (0.2, 0.8):
        dealt[:, 4] = turned
        bump = alone(11, 11, dealt) if turned < 0.5 else alone(11, 11, dealt).T
        upper, lower = bump[:5], bump[5:]
        assert torch.allclose(upper.norm(), lower.norm(), rtol=1e-4)
        assert upper[2, 5] * lower[3, 5] < 0.0
        # From the middle outwards: 1 less at the first ring, then 1/4, 1/9, … of that, whatever the unit.
        falls = -lower[3, 5:].diff() * lower[3, 5].sign()
        assert torch.allclose(falls / falls[0], torch.tensor([1.0, 1 / 4, 1 / 9, 1 / 16, 1 / 25]), atol=1e-3)


@every_norm
@pytest.mark.parametrize("shape", [(2, 12, 12), (1, 5, 20), (3, 17, 6), (40,)], ids=str)
def test_the_budget_is_spent_and_everything_outside_of_the_windows_keeps_its_proportions(
    norm: Norm, shape: tuple[int, ...]
) -> None:
    x, threat = torch.full((6, *shape), 0.5), THREATS[norm]
    before = grid(x, threat, Rng.keyed(0, "grid", torch.arange(6)))
    canvas = Canvas.of(x)
    share, dealt = torch.full((6,), 0.04), drawn(6, canvas.channels)
    after = moved(x, before.clone(), threat, share, dealt)
    for points in (before, after):
        assert torch.allclose(distance(points, x, norm).float(), torch.tensor(threat.eps), rtol=1e-4)
    assert (distance(after, before, norm) > 0.0).all()
    change, kept = ((canvas.flat(points - x)).clone() for points in (after, before))
    size = torch.tensor([[1, 3]] if canvas.height == 1 else [[3, 3]]).expand(6, -1)
    here, there = (Window.at(canvas, size, numbers).pixels for numbers in (dealt[:, :2], dealt[:, 2:4]))
    for image in (change, kept):
        image.scatter_(2, here, 0.0)
    assert (change.gather(2, there) == 0.0).all()
    kept.scatter_(2, there, 0.0)
    assert kept.abs().sum() > 0.0
    if norm is Norm.L2:
        similar = torch.cosine_similarity(change.flatten(1), kept.flatten(1))
        assert torch.allclose(similar, torch.ones(6), atol=1e-4)
    assert ((change == 0.0) | (kept != 0.0)).all()


@every_norm
def test_samples_at_different_places_of_their_schedule_are_painted_as_each_would_be_alone(norm: Norm) -> None:
    x = torch.rand(5, 2, 9, 13, generator=torch.Generator().manual_seed(0))
    threat, shares, dealt = THREATS[norm], torch.tensor([0.9, 0.01, 0.3, 0.05, 0.6]), drawn(5, 2)
    start = grid(x, threat, Rng.keyed(0, "grid", torch.arange(5)))
    together = moved(x, start.clone(), threat, shares, dealt)
    for i in range(5):
        one = slice(i, i + 1)
        painted = moved(x[one], start[one].clone(), threat, shares[one], dealt[one])
        assert torch.allclose(painted, together[one], atol=1e-6)


@every_norm
def test_a_search_goes_on_from_its_best_image_and_asks_about_nothing_outside(norm: Norm) -> None:
    model = network((1, 6, 6), 5)
    x, y = samples(model, (1, 6, 6), 6)
    threat = Threat(norm=norm, eps=0.05 if norm is Norm.L2 else 0.1)
    asked: list[Tensor] = []

    def watched(points: Tensor) -> Tensor:
        asked.append(points.clone())
        assert (distance(points, x[-len(points) :], norm) <= threat.eps + tolerance(norm, threat.eps)).all()
        logits: Tensor = model(points)
        return logits

    @dataclass(frozen=True, kw_only=True)
    class Followed(Square):
        def advance(self, lanes: Painting, answer: Gradient, threat: Threat) -> None:
            super().advance(lanes, answer, threat)
            best = torch.stack([margins(model(points), y) for points in asked]).amax(0)
            assert torch.equal(margins(model(lanes.image), y), best)

    attack = Followed(queries=60, p_init=0.3)
    ledger = Ledger.open(x, y, threat, 5, 0.0, float("inf"))
    rng = Rng.keyed(0, "s", torch.arange(6))
    last = attack.perturb(View(target_of(watched, 5), ledger, attack.access), x, y, threat, rng)
    assert not ledger.found.any()
    assert len(asked) == 60
    reached = torch.stack([margins(model(points), y) for points in asked])
    assert torch.equal(ledger.closest_margin, reached.amax(0))
    assert torch.equal(last, ledger.closest)
    assert (reached.amax(0) > reached[0]).all()
