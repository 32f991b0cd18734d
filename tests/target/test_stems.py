"""The faster input gradient of a stem is the gradient that PyTorch takes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from auditor.target.stems import Stems, input_gradient

SHAPES = [
    (1, (4, 4), (2, 2), (1, 1), (28, 28)),
    (3, (7, 7), (2, 2), (3, 3), (31, 30)),
    (3, (4, 4), (4, 4), (0, 0), (33, 35)),
    (2, (1, 1), (2, 2), (0, 0), (9, 8)),
    (2, (3, 5), (2, 3), (1, 4), (9, 11)),
    (2, (2, 2), (3, 3), (0, 1), (9, 8)),
    (2, (2, 2), (2, 2), (3, 3), (9, 8)),
]


@pytest.mark.parametrize(("channels", "kernel", "stride", "padding", "size"), SHAPES)
def test_it_equals_the_gradient_of_the_convolution(
    channels: int, kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int], size: tuple[int, int]
) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(2, channels, *size, dtype=torch.float64, generator=generator).requires_grad_(True)
    weight = torch.randn(5, channels, *kernel, dtype=torch.float64, generator=generator)
    answer = functional.conv2d(x, weight, None, stride, padding)
    flow = torch.randn(answer.shape, dtype=torch.float64, generator=generator)
    (expected,) = torch.autograd.grad(answer, x, flow)
    assert torch.allclose(input_gradient(flow, weight, size, stride, padding), expected, atol=1e-12)


def _stem() -> nn.Module:
    torch.manual_seed(0)
    made = nn.Sequential(nn.Conv2d(3, 8, 7, 2, 3), nn.ReLU(), nn.Conv2d(8, 4, 3, 2), nn.Flatten())
    return made.eval().requires_grad_(False)


def _asked(module: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    leaf = x.clone().requires_grad_(True)
    answer = module(leaf)
    return answer.detach(), torch.autograd.grad(answer.square().sum(), leaf)[0]


def test_within_it_a_module_answers_and_has_gradients_as_ever() -> None:
    module, x = _stem(), torch.rand(4, 3, 17, 20)
    expected = _asked(module, x)
    with Stems():
        found = _asked(module, x)
    assert torch.equal(found[0], expected[0])
    assert torch.allclose(found[1], expected[1], rtol=1e-4, atol=1e-5 * float(expected[1].abs().max()))


def test_strided_stems_take_the_faster_way_and_nothing_else_does() -> None:
    module, x = _stem(), torch.rand(4, 3, 17, 20, requires_grad=True)
    with Stems():
        stem = module[0](x)
        assert "Stem" in type(stem.grad_fn).__name__
        assert "Stem" not in type(module[2](stem).grad_fn).__name__
        assert "Stem" not in type(nn.Conv2d(3, 8, 3).requires_grad_(False)(x).grad_fn).__name__


def test_it_goes_with_vmap() -> None:
    module, x = _stem(), torch.rand(4, 3, 17, 20)
    _, expected = _asked(module, x)
    with Stems():
        _, found = _asked(torch.vmap(lambda row: module(row[None])[0]), x)  # type: ignore[arg-type]
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


def test_it_goes_with_autocast() -> None:
    module, x = _stem(), torch.rand(4, 3, 17, 20)
    _, expected = _asked(module, x)
    with Stems(), torch.autocast("cpu", torch.bfloat16):
        _, found = _asked(module, x)
    assert found.dtype is torch.float32
    assert float(functional.cosine_similarity(found.flatten(1), expected.flatten(1)).min()) > 0.99


@pytest.mark.parametrize("mapped", [False, True])
def test_weights_that_are_trained_have_gradients_as_ever(mapped: bool) -> None:
    module, x = _stem().requires_grad_(True), torch.rand(4, 3, 17, 20, requires_grad=True)
    leaves = [x, *module.parameters()]
    expected = torch.autograd.grad(module(x).square().mean(), leaves)
    with Stems():
        answer = torch.vmap(lambda row: module(row[None])[0])(x) if mapped else module(x)  # type: ignore[arg-type]
        found = torch.autograd.grad(answer.square().mean(), leaves)
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-5 * float(theirs.abs().max()))
