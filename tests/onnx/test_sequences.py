"""Sequences of tensors and optional values, against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from onnx.helper import make_node

from auditor.onnx import load_twin

CONSTANTS = {
    "one": np.int64(1),
    "last": np.int64(-1),
    "sizes": np.array([1, 3]),
    "c": np.float32([[1, 2, 3, 4]]),
}


def nodes_of(name: str) -> list:
    split = make_node("SplitToSequence", ["x"], ["s"], axis=0, keepdims=1)
    return {
        "SequenceAt": [split, make_node("SequenceAt", ["s", "last"], ["y"])],
        "SequenceConstruct": [
            make_node("Neg", ["x"], ["n"]),
            make_node("SequenceConstruct", ["x", "n", "c"], ["s"]),
            make_node("ConcatFromSequence", ["s"], ["y"], axis=0),
        ],
        "SequenceErase": [
            split,
            make_node("SequenceErase", ["s", "one"], ["t"]),
            make_node("ConcatFromSequence", ["t"], ["y"], axis=1, new_axis=1),
        ],
        "SequenceInsert": [
            split,
            make_node("SequenceInsert", ["s", "c", "one"], ["t"]),
            make_node("ConcatFromSequence", ["t"], ["y"], axis=0),
        ],
        "SequenceLength": [
            split,
            make_node("SequenceLength", ["s"], ["n"]),
            make_node("Cast", ["n"], ["f"], to=1),
            make_node("Mul", ["x", "f"], ["y"]),
        ],
        "SplitToSequence": [
            make_node("SplitToSequence", ["x", "sizes"], ["s"], axis=1),
            make_node("SequenceAt", ["s", "one"], ["y"]),
        ],
        "Optional": [
            make_node("Optional", ["x"], ["o"]),
            make_node("OptionalGetElement", ["o"], ["y"]),
        ],
    }[name]


@pytest.mark.parametrize(
    "name",
    [
        "SequenceAt",
        "SequenceConstruct",
        "SequenceErase",
        "SequenceInsert",
        "SequenceLength",
        "SplitToSequence",
        "Optional",
    ],
)
def test_answers_are_those_of_onnx_runtime_and_have_gradients(make_model, onnx_runtime, name) -> None:
    model = make_model(nodes_of(name), (3, 4), constants=CONSTANTS)
    twin = load_twin(model)
    for seed in (0, 1):  # the second call runs the plan that the first one made
        x = torch.randn(3, 4, generator=torch.Generator().manual_seed(seed), requires_grad=True)
        y = twin(x)
        np.testing.assert_allclose(y.detach().numpy(), onnx_runtime(model, x), atol=1e-6)
        assert torch.autograd.grad(y.square().sum(), x)[0].norm() > 0
    mapped = torch.vmap(twin)(torch.stack([x, 2 * x]))
    torch.testing.assert_close(mapped, torch.stack([twin(x), twin(2 * x)]))


def test_a_sequence_that_starts_empty_is_filled(make_model, onnx_runtime) -> None:
    nodes = [
        make_node("SequenceEmpty", [], ["s"]),
        make_node("SequenceInsert", ["s", "x"], ["t"]),
        make_node("SequenceInsert", ["t", "c"], ["u"]),
        make_node("ConcatFromSequence", ["u"], ["y"], axis=0),
    ]
    model, x = make_model(nodes, (3, 4), constants=CONSTANTS), torch.randn(3, 4)
    np.testing.assert_array_equal(load_twin(model)(x).numpy(), onnx_runtime(model, x))
