"""Searches begin inside the ball, where their start says, whatever the norm and the shape of the samples."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from auditor import Lanes, Norm, Rng
from auditor.norms import distance, tolerance
from auditor.steps import Ball, along_signs
from auditor_attacks._starts import STARTS, start

EPS = {Norm.LINF: 0.1, Norm.L2: 0.6, Norm.L1: 2.0}
every_norm = pytest.mark.parametrize("norm", list(EPS))


def lanes(x: Tensor, goal: int = 0, first: int = 0) -> Lanes:
    numbers = torch.arange(first, first + len(x))
    zeros = torch.zeros_like(numbers)
    rng = Rng.keyed(0, "start", numbers)
    far = (x + 0.3 * torch.randn(x.shape, generator=torch.Generator().manual_seed(5))).clamp(0.0, 1.0)
    return Lanes(
        x=x, y=zeros, goal=zeros + goal, step=zeros, rng=rng, point=x.clone(), closest=far, margin=-torch.ones(len(x))
    )


def begun(name: str, norm: Norm, x: Tensor, goal: int = 0, first: int = 0) -> Tensor:
    return start(name, Ball(x, norm, EPS[norm]), lanes(x, goal, first))


def gray(n: int, *shape: int) -> Tensor:
    return torch.full((n, *shape), 0.5)


@every_norm
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 5, 7), (2, 9), (20,), (1, 1, 1), (3, 30, 2)], ids=str)
@pytest.mark.parametrize("name", STARTS)
def test_every_start_lies_in_ball_and_box(name: str, norm: Norm, shape: tuple[int, ...]) -> None:
    x = torch.rand(8, *shape, generator=torch.Generator().manual_seed(0))
    x = torch.where(x < 0.2, 0.0, torch.where(x > 0.8, 1.0, x))
    point = begun(name, norm, x)
    assert point.shape == x.shape
    assert ((point >= 0.0) & (point <= 1.0)).all()
    assert (distance(point, x, norm) <= EPS[norm] + tolerance(norm, EPS[norm])).all()
    assert torch.equal(point, x) == (name == "clean")


@pytest.mark.parametrize("name", ["corner", "tiles"])
def test_corners_and_tiles_change_every_pixel_as_far_as_the_ball_allows(name: str) -> None:
    x = gray(6, 3, 6, 6)
    assert torch.allclose((begun(name, Norm.LINF, x) - x).abs(), torch.tensor(0.1))
    delta = begun(name, Norm.L2, x) - x
    assert torch.allclose(delta.abs(), delta.abs().amax())
    assert torch.allclose(delta.flatten(1).norm(dim=1), torch.tensor(0.6))


def side_of(signs: Tensor) -> int:
    """The largest side of tiles, shifted, of which `(C, H, W)` signs can be made: they change at its multiples only."""
    across = (signs[:, :, 1:] != signs[:, :, :-1]).any(1).any(0).nonzero().flatten()
    down = (signs[:, 1:] != signs[:, :-1]).any(2).any(0).nonzero().flatten()
    return next(s for s in (28, 14, 7, 4, 2, 1) if len((across % s).unique()) <= 1 and len((down % s).unique()) <= 1)


def test_tiles_are_squares_of_one_sign_in_all_sizes_and_at_all_shifts() -> None:
    x = gray(120, 2, 30, 30)
    signs = (begun("tiles", Norm.LINF, x) - x).sign()
    sides = torch.tensor([side_of(each) for each in signs])
    assert set(sides.tolist()) == {1, 2, 4, 7, 14, 28}
    assert all(8 <= int((sides == side).sum()) <= 34 for side in (1, 2, 4, 7))
    # Shifted: the first change of sign may come at any of four columns.
    fours = signs[sides == 4]
    firsts = (fours[:, :, :, 1:] != fours[:, :, :, :-1]).any(1).any(1).float().argmax(1) % 4
    assert len(firsts.unique()) == 4


def test_inputs_that_are_no_images_are_tiled_as_a_row() -> None:
    x = gray(60, 40)
    signs = (begun("tiles", Norm.LINF, x) - x).sign().view(60, 1, 1, 40)
    changes = (signs[..., 1:] != signs[..., :-1]).sum((1, 2, 3))
    # Forty pixels in tiles of 28 change sign at most twice, and single ones about twenty times.
    assert changes.min() <= 2
    assert changes.max() >= 12


def test_small_l1_balls_have_neither_corners_nor_tiles() -> None:
    x = gray(4, 3, 6, 6)
    for name in ("corner", "tiles"):
        assert torch.equal(begun(name, Norm.L1, x), begun("surface", Norm.L1, x))


@every_norm
def test_closest_is_the_known_point_brought_into_the_ball(norm: Norm) -> None:
    x = gray(4, 12)
    state = lanes(x)
    near = x + 0.01
    state.closest = near.clone()
    assert torch.allclose(start("closest", Ball(x, norm, EPS[norm]), state), near)
    assert torch.equal(state.closest, near)
    far = lanes(x).closest
    point = begun("closest", norm, x)
    assert (distance(far, x, norm) > EPS[norm]).all()
    assert (distance(point, far, norm) < distance(x, far, norm)).all()


@pytest.mark.parametrize("name", ["surface", "corner", "tiles"])
@every_norm
def test_a_start_belongs_to_sample_and_goal_alone(name: str, norm: Norm) -> None:
    x = gray(6, 1, 8, 8)
    whole = begun(name, norm, x)
    assert torch.equal(begun(name, norm, x[2:4], first=2), whole[2:4])
    other = begun(name, norm, x, goal=1)
    assert all(not torch.equal(one, two) for one, two in zip(whole, other, strict=True))
    assert all(not torch.equal(whole[i], whole[j]) for i, j in itertools.combinations(range(6), 2))


@pytest.mark.parametrize("length", [0.3, 3.99])
def test_a_step_along_the_signs_has_its_length_exactly_however_small_the_gradient(length: float) -> None:
    gradient = torch.tensor([[1e-37, -1e30, 0.0, -2e-38, torch.nan]])
    point = torch.zeros(1, 5)
    expected = torch.tensor([[length, -length, 0.0]])
    for said in (length, torch.tensor([length])):
        moved = along_signs(point, gradient.clone(), said)
        assert torch.equal(moved[:, :3], expected)
        assert moved[0, 3] <= -0.8 * length
        assert moved[0, 4].isnan()
        assert not point.any()
