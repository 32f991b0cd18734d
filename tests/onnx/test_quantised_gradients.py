"""Gradients reach the pixels that lie at the ends of a quantised range: black and white ones."""

from __future__ import annotations

import pytest
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper

from auditor.onnx import load_twin


def quantised_identity(scale: float, zero: int) -> ModelProto:
    import numpy as np

    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"]),
    ]
    values = [
        numpy_helper.from_array(np.float32(scale), "scale"),
        numpy_helper.from_array(np.uint8(zero), "zero"),
    ]
    shape = ["n", 3]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        values,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(
    ("pixels", "passes"),
    [([0.0, 0.5, 1.0], [1.0, 1.0, 1.0]), ([-0.1, 0.3, 1.1], [0.0, 1.0, 0.0])],
)
def test_gradients_pass_at_the_ends_of_the_range_and_not_beyond(pixels: list[float], passes: list[float]) -> None:
    twin = load_twin(quantised_identity(1 / 255, 0))
    x = torch.tensor([pixels], requires_grad=True)
    twin(x).sum().backward()
    assert x.grad is not None
    assert x.grad[0].tolist() == pytest.approx(passes)
