"""Clip at the ends of its range: black and white pixels can be moved, activations keep PyTorch's convention."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from onnx.helper import make_node

from auditor.onnx import load_twin


def clip(make_model, opset: int, low: float | None, high: float | None):
    limits = {name: np.float32(value) for name, value in (("min", low), ("max", high)) if value is not None}
    if opset < 11:
        node = make_node("Clip", ["x"], ["y"], **{name: float(value) for name, value in limits.items()})
        return make_model([node], (None,), opset=opset)
    names = [name if name in limits else "" for name in ("min", "max")]
    return make_model([make_node("Clip", ["x", *names], ["y"])], (None,), constants=limits, opset=opset)


def slopes(model, *points: float) -> list[float]:
    x = torch.tensor(points, requires_grad=True)
    return torch.autograd.grad(load_twin(model)(x).sum(), x)[0].tolist()


@pytest.mark.parametrize("opset", [10, 17])
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.0, 255.0), (-1.0, 1.0)])
def test_gradients_pass_at_both_ends_of_a_range_of_pixels_and_not_beyond(make_model, opset, low, high) -> None:
    found = slopes(clip(make_model, opset, low, high), low - 0.1, low, 0.5, high, high + 0.1)
    assert found == [0, 1, 1, 1, 0]


@pytest.mark.parametrize("opset", [10, 17])
@pytest.mark.parametrize(
    ("low", "high", "module"),
    [
        (0.0, 6.0, torch.nn.ReLU6()),
        (0.0, None, torch.nn.ReLU()),
        (0.0, float(np.finfo(np.float32).max), torch.nn.ReLU()),
    ],
)
def test_activations_spelt_as_clip_have_the_gradient_of_pytorch(make_model, opset, low, high, module) -> None:
    x = torch.tensor([-1.0, 0.0, 3.0, 6.0, 7.0], requires_grad=True)
    expected = torch.autograd.grad(module(x).sum(), x)[0].tolist()
    assert slopes(clip(make_model, opset, low, high), *x.tolist()) == expected


def test_where_the_bounds_cross_the_upper_one_wins(make_model, onnx_runtime) -> None:
    model, x = clip(make_model, 17, 2.0, 1.0), torch.tensor([0.0, 1.5, 3.0])
    np.testing.assert_array_equal(load_twin(model)(x).numpy(), onnx_runtime(model, x))
