"""What every wrapper promises, and what each does to samples, against closed forms and the codec itself."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from auditor import Wrapper
from auditor.parameters import parameters_of
from auditor.target.wrapped import Wrapped
from auditor_defenses import auditor_defenses
from auditor_defenses._smooth_jpeg import smooth_jpeg
from auditor_defenses.bit_depth import BitDepth
from auditor_defenses.jpeg import Jpeg
from auditor_defenses.random_resize import RandomResize, placed
from auditor_defenses.smoothing import Smoothing
from auditor_defenses.total_variation import TotalVariation, adjoint, differences, smoothest

WRAPPERS = [kind for kind in auditor_defenses() if issubclass(kind, Wrapper)]
SHAPES = [(5, 1, 28, 28), (3, 3, 32, 32), (1, 3, 17, 23), (2, 1, 9, 8), (4, 30)]

every = pytest.mark.parametrize("kind", WRAPPERS, ids=lambda kind: kind.name)


def smooth(*shape: int) -> Tensor:
    """Images with some structure: blurred noise over all of [0, 1]."""
    drawn = functional.avg_pool2d(torch.rand(*shape), 5, 1, 2)
    low, high = drawn.amin((1, 2, 3), keepdim=True), drawn.amax((1, 2, 3), keepdim=True)
    return (drawn - low) / (high - low)


def variation(z: Tensor) -> Tensor:
    return differences(z).double().norm(dim=0).sum((1, 2, 3))


@every
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_wrapper_keeps_the_shape_and_the_sample_or_says_why_it_cannot(
    kind: type[Wrapper], shape: tuple[int, ...]
) -> None:
    wrapper, x = kind(), torch.rand(*shape)
    if wrapper.unfit(shape[1:]):
        assert kind.images_only
        assert len(shape) != 4
        return
    before = x.clone()
    made = Wrapped((wrapper,))(x)
    assert torch.equal(x, before)
    assert (made.shape, made.dtype) == (x.shape, x.dtype)
    assert bool(made.isfinite().all())
    if kind is not Smoothing:  # What it adds is noise.
        assert float(made.min()) >= 0.0
        assert float(made.max()) <= 1.0


@every
def test_every_wrapper_answers_exactly_and_gives_gradients(kind: type[Wrapper]) -> None:
    wrapper = kind()
    x = smooth(3, 1, 12, 12)
    followed = x.clone().requires_grad_()
    torch.manual_seed(3)
    exact = Wrapped((wrapper,))(x)
    torch.manual_seed(3)
    made = Wrapped((wrapper,))(followed)
    assert torch.allclose(made, exact, atol=1e-6)
    (gradient,) = torch.autograd.grad(made.square().sum(), followed)
    assert bool(gradient.isfinite().all())
    assert bool((gradient.flatten(1).abs().amax(1) > 0).all())


@every
def test_every_wrapper_treats_a_sample_alike_in_any_batch_or_says_that_it_draws(kind: type[Wrapper]) -> None:
    wrapper, x = kind(), smooth(6, 3, 16, 16)
    again = torch.equal(wrapper.apply(x), wrapper.apply(x))
    assert again is not kind.random
    if not kind.random:
        alone = torch.cat([wrapper.apply(one) for one in x.split(1)])
        assert torch.allclose(wrapper.apply(x), alone, atol=1e-6)
    else:
        steady = Wrapped((wrapper,), seed=0)
        assert torch.allclose(steady(x)[2:3], steady(x[2:3]), atol=1e-6)


@every
def test_every_wrapper_says_what_it_does_and_whose_it_is(kind: type[Wrapper]) -> None:
    text = str(kind.__doc__)
    assert all(heading in text for heading in ("Helps:", "Blind to:", "Cost:"))
    assert "arXiv:" in kind.paper
    assert all(item.help for item in parameters_of(kind))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("quality", [10, 75])
def test_jpeg_is_what_pillow_reads_back(channels: int, quality: int) -> None:
    x = smooth(2, channels, 19, 24)
    for image, made in zip(x, Jpeg(quality=quality).apply(x), strict=True):
        levels = (255 * image).round().to(torch.uint8).permute(1, 2, 0).numpy().squeeze()
        file = io.BytesIO()
        Image.fromarray(levels).save(file, "JPEG", quality=quality)
        read = np.array(Image.open(file)).reshape(19, 24, channels)
        assert torch.equal(made, torch.from_numpy(read).permute(2, 0, 1) / 255.0)


@pytest.mark.parametrize("channels", [1, 3])
def test_what_attacks_differentiate_of_jpeg_is_close_to_it_in_all_but_rounding(channels: int) -> None:
    x = smooth(4, channels, 27, 24)
    for quality in (95, 50, 20):
        exact = Jpeg(quality=quality).apply(x)
        assert float((smooth_jpeg(x, quality) - exact).abs().mean()) < 0.02
    # A gray area is one frequency, 8 * level in a block: at quality 50 in steps of 16.
    flat = torch.full((1, 1, 8, 8), 144.0 / 255.0)
    assert torch.allclose(smooth_jpeg(flat, 50), flat, atol=1e-6)


def test_the_slope_of_smooth_rounding_is_none_on_its_steps_and_three_quarters_between() -> None:
    # Brightness b is 8 (b - 128) / 16 steps: a whole number for even b, half-way for odd.
    for level, slope in ((144.0, 0.0), (145.0, 0.75)):
        x = torch.full((1, 1, 8, 8), level / 255.0, dtype=torch.float32, requires_grad=True)
        (gradient,) = torch.autograd.grad(smooth_jpeg(x, 50).mean(), x)
        assert float(gradient.sum()) == pytest.approx(slope, abs=1e-3)


@pytest.mark.parametrize("bits", [1, 3, 8])
def test_bit_depth_leaves_so_many_levels_and_does_it_once(bits: int) -> None:
    x = torch.rand(50, 30)
    made = BitDepth(bits=bits).apply(x)
    assert torch.equal(BitDepth(bits=bits).apply(made), made)
    assert len(made.unique()) == min(2**bits, len(made.unique()))
    assert float((made - x).abs().max()) <= 0.5 / (2**bits - 1) + 1e-6
    levels = torch.arange(256) / 255.0
    assert torch.equal(BitDepth(bits=8).apply(levels), levels)


def test_total_variation_of_a_step_shrinks_as_the_closed_form_says() -> None:
    # Left half a, right half b: each row is one-dimensional, and its ends move by weight over their length.
    x = torch.full((1, 1, 6, 10), 0.2)
    x[..., 4:] = 0.8
    made = smoothest(x, torch.ones(1, 1, 6, 10), 0.12, 2000)
    assert torch.allclose(made[..., :4], torch.tensor(0.2 + 0.12 / 4), atol=1e-4)
    assert torch.allclose(made[..., 4:], torch.tensor(0.8 - 0.12 / 6), atol=1e-4)


def test_total_variation_is_minimised_as_its_dual_proves() -> None:
    x, weight = smooth(2, 3, 14, 11).double(), 0.05
    made = smoothest(x, torch.ones(2, 1, 14, 11).double(), weight, 1500)
    assert bool((variation(made) < 0.95 * variation(x)).all())
    # Any field of at most `weight` with adjoint u bounds the minimum from below by <x, u> - |u|^2 / 2.
    u = x - made
    primal = 0.5 * u.square().sum((1, 2, 3)) + weight * variation(made)
    dual = (x * u).sum((1, 2, 3)) - 0.5 * u.square().sum((1, 2, 3))
    assert torch.allclose(primal, dual, rtol=1e-3)


def test_differences_and_their_adjoint_belong_together() -> None:
    z, dual = torch.rand(2, 3, 5, 7).double(), torch.rand(2, 2, 3, 5, 7).double()
    assert torch.allclose((differences(z) * dual).sum(), (z * adjoint(dual)).sum())


def test_pixels_that_were_dropped_are_filled_in_from_their_neighbours() -> None:
    x, kept = torch.full((1, 1, 9, 9), 0.6), torch.ones(1, 1, 9, 9)
    x[..., 4, 4], kept[..., 4, 4] = 0.0, 0.0
    assert torch.allclose(smoothest(x, kept, 0.03, 2000), torch.tensor(0.6), atol=1e-3)


def test_a_resized_image_is_the_interpolated_one_on_black() -> None:
    x = torch.rand(2, 3, 10, 12)
    made = placed(x, torch.tensor([[7, 9], [10, 12]]), torch.tensor([[2, 3], [0, 0]]))
    small = functional.interpolate(x[:1], (7, 9), mode="bilinear", align_corners=False)
    assert torch.allclose(made[:1, :, 2:9, 3:], small, atol=1e-5)
    assert float(made[0].sum()) == pytest.approx(float(small.sum()), rel=1e-5)
    assert torch.allclose(made[1], x[1], atol=1e-5)


def test_random_resize_meets_all_its_sizes_and_places() -> None:
    made = RandomResize(smallest=0.8).apply(torch.ones(500, 1, 10, 10))
    heights = (made.amax((1, 3)) > 0).sum(1)
    assert sorted(set(heights.tolist())) == [8, 9, 10]
    first = (made.amax((1, 3)) > 0).float().argmax(1)
    assert sorted(set(first[heights == 8].tolist())) == [0, 1, 2]


def test_smoothing_adds_gaussian_noise_of_its_sigma() -> None:
    noise = Smoothing(sigma=0.3).apply(torch.full((40, 1000), 0.5)) - 0.5
    assert float(noise.mean()) == pytest.approx(0.0, abs=0.01)
    assert float(noise.std()) == pytest.approx(0.3, rel=0.02)
    assert float((noise.abs() < 0.3).float().mean()) == pytest.approx(0.6827, abs=0.01)


def test_total_variation_by_default_drops_half_of_the_pixels() -> None:
    x = smooth(3, 1, 20, 20)
    made = TotalVariation().apply(x)
    assert bool((variation(made) < variation(x)).all())
    assert not torch.equal(made, TotalVariation(keep=1.0).apply(x))
