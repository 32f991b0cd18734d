"""From pixels to the network's input."""

from __future__ import annotations

import torch

from auditor.target.preprocessing import Preprocessing

X = torch.rand(2, 3, 4, 6, generator=torch.Generator().manual_seed(0))


def test_nothing_happens_where_nothing_is_said() -> None:
    assert torch.equal(Preprocessing()(X), X)
    assert Preprocessing().describe() == "none"


def test_mean_and_std_are_in_units_of_the_input_range() -> None:
    done = Preprocessing(input_range=(0.0, 255.0), mean=(10.0, 20.0, 30.0), std=(2.0, 4.0, 8.0))(X)
    assert torch.allclose(done[:, 1], (X[:, 1] * 255 - 20) / 4, atol=1e-4)


def test_one_mean_serves_all_channels() -> None:
    assert torch.allclose(Preprocessing(mean=(0.5,))(X), X - 0.5)


def test_bgr_reverses_the_channels_before_the_mean_is_taken() -> None:
    done = Preprocessing(channel_order="bgr", mean=(0.1, 0.0, 0.0))(X)
    assert torch.allclose(done[:, 0], X[:, 2] - 0.1)


def test_channels_last_moves_the_channels() -> None:
    assert torch.equal(Preprocessing(layout="nhwc")(X)[0, 1, 2], X[0, :, 1, 2])


def test_flat_and_shape_keep_the_order_of_the_layout() -> None:
    assert torch.equal(Preprocessing(layout="flat")(X), X.flatten(1))
    assert torch.equal(Preprocessing(layout="nhwc", shape=(72, 1))(X)[0, :, 0], X[0].permute(1, 2, 0).flatten())


def test_scaling_keeps_a_constant_image_and_the_gradient() -> None:
    x = torch.full((1, 1, 4, 4), 0.3, requires_grad=True)
    done = Preprocessing(size=(7, 9))(x)
    assert done.shape == (1, 1, 7, 9)
    assert torch.allclose(done, torch.tensor(0.3))
    (gradient,) = torch.autograd.grad(done.sum(), x)
    assert torch.allclose(gradient.sum(), torch.tensor(63.0))


def test_gray_is_given_to_every_channel_and_gathers_their_gradients() -> None:
    x = torch.rand(2, 1, 4, 4, requires_grad=True)
    done = Preprocessing(channels=3)(x)
    assert torch.equal(done[:, 0], done[:, 2])
    (gradient,) = torch.autograd.grad(done.sum(), x)
    assert torch.equal(gradient, torch.full_like(x, 3.0))


def test_colour_is_not_repeated() -> None:
    assert torch.equal(Preprocessing(channels=3)(X), X)


def test_rounding_gives_whole_numbers_and_passes_gradients_as_if_it_were_not() -> None:
    x = X.clone().requires_grad_()
    done = Preprocessing(input_range=(0.0, 255.0), rounded=True)(x)
    assert torch.equal(done.detach(), (X * 255).round())
    (gradient,) = torch.autograd.grad(done.sum(), x)
    assert torch.equal(gradient, torch.full_like(x, 255.0))


def test_constants_made_under_inference_mode_can_be_used_for_gradients_later() -> None:
    step = Preprocessing(mean=(0.123,), std=(0.321,))
    with torch.inference_mode():
        step(X)
    x = X.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(step(x).sum(), x)
    assert torch.allclose(gradient, torch.tensor(1 / 0.321))


def test_it_is_described_in_words() -> None:
    words = Preprocessing(size=(8, 8), channels=3, channel_order="bgr", mean=(0.5,), layout="nhwc").describe()
    assert words == "scaled to 8x8, gray repeated to 3 channels, channels BGR, mean (0.5), NHWC"
