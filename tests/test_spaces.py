"""Points of a threat's space make images; the origin makes the sample itself."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from auditor import Norm, Threat
from auditor.spaces import Flow, Rigid

SHAPES = [(1, 6, 6), (3, 5, 8), (1, 1, 1)]


def images(shape: tuple[int, ...], n: int = 3) -> Tensor:
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("norm", [Norm.LINF, Norm.L2, Norm.SPATIAL, Norm.FLOW])
def test_the_origin_renders_the_samples_to_the_last_bit_and_has_no_size(norm: Norm, shape: tuple[int, ...]) -> None:
    threat, x = Threat(norm=norm, eps=0.5), images(shape)
    origin = threat.origin(x)
    assert torch.equal(threat.render(origin, x), x)
    assert threat.distance(origin, origin).tolist() == [0.0] * len(x)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("norm", [Norm.SPATIAL, Norm.FLOW])
def test_what_is_projected_lies_within_the_budget_and_renders_to_pixels(norm: Norm, shape: tuple[int, ...]) -> None:
    threat, x = Threat(norm=norm, eps=0.7), images(shape)
    origin = threat.origin(x)
    points = threat.project(
        origin + 3.0 * torch.randn(origin.shape, generator=torch.Generator().manual_seed(1)), origin
    )
    assert (threat.distance(points, origin) <= 0.7 + 1e-6).all()
    rendered = threat.render(points, x)
    assert rendered.shape == x.shape
    assert rendered.min() >= 0.0
    assert rendered.max() <= 1.0


def test_a_quarter_turn_is_a_quarter_turn() -> None:
    x = images((2, 6, 6))
    turned = Rigid(90.0, 3.0).render(torch.tensor([[1.0, 0.0, 0.0]] * 3), x)
    assert torch.allclose(turned, torch.rot90(x, -1, (2, 3)), atol=1e-5)


def test_half_a_turn_of_an_oblong_picture_turns_it_over() -> None:
    x = images((1, 4, 7))
    turned = Rigid(180.0, 3.0).render(torch.tensor([[1.0, 0.0, 0.0]] * 3), x)
    assert torch.allclose(turned, x.flip(2, 3), atol=1e-5)


def test_a_shift_moves_pixels_right_and_down_and_leaves_black() -> None:
    x = images((1, 5, 6))
    moved = Rigid(30.0, 2.0).render(torch.tensor([[0.0, 1.0, -0.5]] * 3), x)
    assert torch.allclose(moved[:, :, :-1, 2:], x[:, :, 1:, :-2], atol=1e-5)
    assert torch.allclose(moved[:, :, :, :2], torch.zeros(3, 1, 5, 2), atol=1e-6)
    assert torch.allclose(moved[:, :, -1], torch.zeros(3, 1, 6), atol=1e-6)


def test_a_flow_takes_each_pixel_from_where_it_says() -> None:
    x = images((1, 5, 6))
    points = torch.zeros(3, 2, 5, 6)
    points[:, 0] = 1.0
    flowed = Flow().render(points, x)
    assert torch.allclose(flowed[..., :-1], x[..., 1:], atol=1e-5)
    assert torch.allclose(flowed[..., -1], x[..., -1], atol=1e-5)


@pytest.mark.parametrize("norm", [Norm.SPATIAL, Norm.FLOW])
def test_images_have_gradients_in_the_points(norm: Norm) -> None:
    threat, x = Threat(norm=norm, eps=1.0), images((1, 6, 6)).double()
    origin = threat.origin(x) + 0.01
    weights = images((1, 6, 6)).double()
    assert torch.autograd.gradcheck(
        lambda points: (threat.render(points, x) * weights).sum(), origin.requires_grad_(True), eps=1e-7, atol=1e-4
    )


def test_under_a_mask_only_marked_pixels_change_and_count() -> None:
    mask = torch.zeros(1, 4, 4, dtype=torch.bool)
    mask[:, 0] = True
    threat, x = Threat(norm=Norm.L2, eps=0.5, mask=mask), images((3, 4, 4))
    points = x + 1.0
    assert not threat.plain
    rendered = threat.render(points, x)
    assert torch.equal(rendered[:, :, 1:], x[:, :, 1:])
    assert (threat.distance(points, x) - math.sqrt(12)).abs().max() < 1e-4
    projected = threat.project(points, x)
    assert (threat.distance(projected, x) <= 0.5 + 1e-6).all()
