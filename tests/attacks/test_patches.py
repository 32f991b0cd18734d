"""Patches and patterns, on models for which the best of them is known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from auditor import Attack, Norm, Threat
from auditor.engine.ledger import Ledger
from auditor.engine.view import View
from auditor.rng import Rng
from auditor.spaces import Patch, patch_side, square_at
from auditor_attacks._patches import corners, put, taken
from auditor_attacks.adversarial_patch import AdversarialPatch
from auditor_attacks.patch_pgd import PatchPGD
from auditor_attacks.patch_rs import PatchRS
from auditor_attacks.sharif import Sharif, total_variation, unprintable
from auditor_attacks.uap import UAP
from tests.oracles import Linear, run, target_of

SIDE, SHARE = 10, 0.09
QUARTER = Threat(norm=Norm.PATCH, eps=SHARE)


def weights(channels: int = 1) -> Tensor:
    return torch.randn(1, channels, SIDE, SIDE, generator=torch.Generator().manual_seed(3))


def gray(n: int = 4, channels: int = 1) -> Tensor:
    return 0.5 + 0.1 * (torch.rand(n, channels, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) - 0.5)


def needs(gain: Tensor, w: Tensor, x: Tensor) -> object:
    """Wrong where the weighted sum of a picture rises by more than `gain`, `(N,)`, above that of the sample."""
    scores = (w * x).flatten(1).sum(1)

    def network(points: Tensor) -> Tensor:
        rows = (points.flatten(1)[:, None] - x.flatten(1)[None]).abs().sum(2).argmin(1)
        score = (w * points).flatten(1).sum(1) - scores[rows] - gain[rows]
        return torch.stack([-score, score], 1)

    return target_of(network, 2)


def best_gain(w: Tensor, x: Tensor) -> Tensor:
    """What the best square can add: each pixel goes to the end that its weight points at."""
    room = torch.where(w > 0, 1.0 - x, x) * w.abs()
    side = patch_side(SHARE, SIDE, SIDE)
    sums: Tensor = functional.avg_pool2d(room.sum(1, keepdim=True), side, stride=1) * side * side
    return sums.flatten(1).amax(1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("attack", "share"), [(PatchPGD(places=1), 0.99), (PatchPGD(), 0.99), (PatchRS(queries=400), 0.6)], ids=str
)
def test_the_best_square_is_found_and_nothing_beyond_it(attack: Attack, share: float, channels: int) -> None:
    w, x = weights(channels), gray(channels=channels)
    best, y = best_gain(w, x), torch.zeros(4, dtype=torch.int64)
    outcome = run(attack, needs(share * best, w, x), x, y, QUARTER)  # type: ignore[arg-type]
    assert outcome.found.all()
    assert (QUARTER.distance(outcome.best, x) <= SHARE).all()
    assert not run(attack, needs(1.001 * best, w, x), x, y, QUARTER).found.any()  # type: ignore[arg-type]


def test_a_patch_is_as_large_as_the_rectangle_around_what_changed() -> None:
    x = torch.zeros(4, 2, 5, 6)
    points = x.clone()
    points[1, 0, 2, 3] = 1.0
    points[2, 1, 1:3, 2:5] = 1.0
    points[3, 0, 0, 0] = points[3, 1, 4, 5] = 1.0
    assert Patch().distance(points, x).tolist() == pytest.approx([0.0, 1 / 30, 6 / 30, 1.0])


def test_what_is_projected_keeps_the_square_that_changes_most() -> None:
    x = torch.zeros(2, 1, 6, 6)
    points = x.clone()
    points[0, 0, 1:3, 1:3] = 0.9
    points[0, 0, 5, 5] = 1.0
    points[1, 0, 0, :5] = 0.5
    kept = Threat(norm=Norm.PATCH, eps=4 / 36).project(points, x)
    assert kept[0].sum() == pytest.approx(3.6)
    assert kept[1].sum() == pytest.approx(1.0)
    # A rectangle within the budget stays whole.
    assert torch.equal(Threat(norm=Norm.PATCH, eps=5 / 36).project(points, x)[1], points[1])


def test_squares_are_put_where_they_are_said_to_be_and_taken_out_again() -> None:
    x, top, left = torch.zeros(2, 3, 7, 9), torch.tensor([0, 4]), torch.tensor([6, 1])
    patch = torch.rand(2, 3, 3, 3)
    shown = put(patch, x, top, left)
    assert torch.equal(taken(shown, top, left, 3), patch)
    assert torch.equal(shown[0, :, 0:3, 6:9], patch[0])
    assert (shown != 0).any(1).sum() <= 18
    assert torch.equal((shown != 0).any(1, keepdim=True), square_at(top, left, 3, 7, 9))


@pytest.mark.parametrize("norm", [Norm.LINF, Norm.L2])
def test_one_change_is_learned_that_serves_all_samples(norm: Norm) -> None:
    linear = Linear.draw((1, 5, 5), 2, 12, norm)
    same = linear.y == linear.y[0]
    x, y = linear.x[same], linear.y[same]
    found = run(UAP(), linear.target, x, y, Threat(norm=norm, eps=1.05 * linear.eps)).found
    assert found.all()
    assert not run(UAP(), linear.target, x, y, Threat(norm=norm, eps=0.95 * linear.eps)).found.any()


def bright(threshold: float) -> object:
    """Wrong where the mean pixel is above a threshold: a white patch does most, wherever it lies."""
    return target_of(lambda x: torch.stack([threshold - x.flatten(1).mean(1), x.flatten(1).mean(1) - threshold], 1), 2)


def test_one_patch_is_learned_that_serves_wherever_it_lies() -> None:
    x, y = torch.full((6, 3, SIDE, SIDE), 0.2), torch.zeros(6, dtype=torch.int64)
    most = 0.2 + 0.8 * SHARE
    attack = AdversarialPatch(steps=40)
    assert run(attack, bright(most - 0.002), x, y, QUARTER).found.all()  # type: ignore[arg-type]
    assert not run(attack, bright(most + 0.002), x, y, QUARTER).found.any()  # type: ignore[arg-type]


def test_patches_lie_everywhere_in_the_picture_and_nowhere_outside() -> None:
    top, left = corners(torch.zeros(2000, 1, 6, 8), 3, Rng.keyed(0, "corners", torch.arange(2000)))
    assert (top.unique().tolist(), left.unique().tolist()) == ([0, 1, 2, 3], [0, 1, 2, 3, 4, 5])


def test_frames_are_coloured_smoothly_and_in_colours_of_the_palette() -> None:
    mask = torch.zeros(1, SIDE, SIDE, dtype=torch.bool)
    mask[:, 3:7, 1:9] = True
    threat = Threat(norm=Norm.LINF, eps=0.5, mask=mask)
    x, y = gray(channels=3), torch.zeros(4, dtype=torch.int64)

    def ended(attack: Sharif) -> Tensor:
        ledger = Ledger.open(x, y, threat, 2, 0.0, math.inf)
        view = View(bright(0.99), ledger, attack.access)  # type: ignore[arg-type]
        return attack.perturb(view, x.clone(), y, threat, Rng.keyed(0, "sharif", torch.arange(4)))

    plain, smooth = ended(Sharif(smoothness=0.0, printability=0.0)), ended(Sharif(smoothness=5.0, printability=0.0))
    printed = ended(Sharif(smoothness=0.0, printability=5.0))
    assert torch.equal(plain[:, :, 0], x[:, :, 0])
    assert (total_variation(smooth) < total_variation(plain)).all()
    palette = Sharif()._palette(x)
    inside = [image[:, :, 3:7, 1:9] for image in (printed, plain)]
    assert (unprintable(inside[0], palette) < 0.7 * unprintable(inside[1], palette)).all()


def test_colours_of_the_palette_are_printable_and_flat_pictures_do_not_vary() -> None:
    palette = Sharif(levels=2)._palette(torch.zeros(1, 3, 2, 2))
    assert palette.shape == (8, 3)
    assert float(unprintable(palette[3].view(1, 3, 1, 1).expand(1, 3, 2, 2), palette)) < 1e-4
    assert float(total_variation(torch.full((1, 3, 4, 4), 0.3))) < 1e-4
