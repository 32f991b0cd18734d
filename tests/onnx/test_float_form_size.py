"""The float form of long graphs takes time in proportion to them, and damaged nodes are named."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import onnx
import pytest
import torch
from onnx.helper import make_node

from auditor.errors import ModelError
from auditor.onnx import float_form
from auditor.onnx.float_form import is_quantised
from auditor.onnx.rewriting import Scope

SCALES = {"s": np.float32(0.1), "z": np.uint8(128)}


def test_behind_many_moves_the_dequantisation_is_found(make_model, onnx_runtime) -> None:
    names = ["w", *(f"v{i}" for i in range(1500))]
    nodes = [make_node("Reshape", [a, "shape"], [b]) for a, b in pairwise(names)]
    nodes += [make_node("DequantizeLinear", [names[-1], "s"], ["d"]), make_node("Add", ["x", "d"], ["y"])]
    constants = {**SCALES, "w": np.array([[1, 2], [3, 4]], np.int8), "shape": np.array([1, 4])}
    model = make_model(nodes, (1, 4), constants=constants)
    floats, x = float_form(model), torch.zeros(1, 4)
    assert not is_quantised(floats)
    np.testing.assert_allclose(onnx_runtime(floats, x), [[0.1, 0.2, 0.3, 0.4]], rtol=1e-6)


def test_copies_of_integers_go_with_what_read_them(make_model, onnx_runtime) -> None:
    names = ["w", *(f"v{i}" for i in range(1500))]
    nodes = [make_node("Identity", [a], [b]) for a, b in pairwise(names)]
    nodes += [make_node("DequantizeLinear", [names[-1], "s"], ["d"]), make_node("Add", ["x", "d"], ["y"])]
    floats = float_form(make_model(nodes, (2,), constants={"s": np.float32(0.1), "w": np.array([1, 2], np.int8)}))
    assert [node.op_type for node in floats.graph.node] == ["Add"]
    assert [tensor.name for tensor in floats.graph.initializer] == ["d"]
    np.testing.assert_allclose(onnx_runtime(floats, torch.zeros(2)), [0.1, 0.2], rtol=1e-6)


def test_a_constant_that_two_scales_read_becomes_two_weights(make_model, onnx_runtime) -> None:
    nodes = [
        make_node("Identity", ["w"], ["copy"]),
        *(make_node("Reshape", [name, "shape"], [f"{name}_flat"]) for name in ("w", "copy")),
        make_node("DequantizeLinear", ["w_flat", "s"], ["a"]),
        make_node("DequantizeLinear", ["copy_flat", "t"], ["b"]),
        make_node("Sum", ["x", "a", "b"], ["y"]),
    ]
    constants = {**SCALES, "t": np.float32(0.5), "w": np.array([[1, 2]], np.int8), "shape": np.array([2])}
    floats = float_form(make_model(nodes, (2,), constants=constants))
    np.testing.assert_allclose(onnx_runtime(floats, torch.zeros(2)), [0.6, 1.2], rtol=1e-6)


def moved_weights(make_model, count: int) -> onnx.ModelProto:
    """Each weight passes a Squeeze before it is dequantised."""
    nodes = []
    for i in range(count):
        before = f"r{i - 1}" if i else "x"
        nodes.append(make_node("Squeeze", [f"w{i}"], [f"a{i}"]))
        nodes.append(make_node("DequantizeLinear", [f"a{i}", "s"], [f"d{i}"]))
        nodes.append(make_node("Add", [before, f"d{i}"], [f"r{i}"]))
    constants = {**SCALES, **{f"w{i}": np.array([[1, 2, 3]], np.int8) for i in range(count)}}
    return make_model(nodes, (1, 3), constants=constants, outputs=(f"r{count - 1}",))


def test_four_times_the_weights_take_about_four_times_the_time(make_model) -> None:
    def seconds(count: int) -> float:
        """The quickest of three, so that a pause of the machine or of the collector says nothing."""
        model, took = moved_weights(make_model, count), []
        for _ in range(3):
            start = time.process_time()
            float_form(model)
            took.append(time.process_time() - start)
        return min(took)

    assert seconds(2000) < 9 * seconds(500)


def test_ten_thousand_wishes_for_one_name_are_met_at_once() -> None:
    scope = Scope(onnx.helper.make_graph([], "g", [], []), 17)
    start = time.process_time()
    assert len({scope.fresh("n") for _ in range(10_000)}) == 10_000
    assert time.process_time() - start < 1  # counting from one each time takes more than ten times that


def test_new_names_are_numbered_and_never_taken_twice() -> None:
    graph = onnx.helper.make_graph([make_node("Relu", ["n_2"], ["n"])], "g", [], [])
    scope = Scope(graph, 17)
    assert [scope.fresh("n") for _ in range(3)] == ["n_1", "n_3", "n_4"]
    assert [scope.fresh("m"), scope.fresh("m"), scope.fresh("m_1")] == ["m", "m_1", "m_1_1"]


INPUTS = {
    "Identity": 1,
    "QuantizeLinear": 2,
    "DequantizeLinear": 2,
    "DynamicQuantizeLinear": 1,
    "QLinearConv": 8,
    "QLinearMatMul": 8,
    "MatMulInteger": 2,
    "ConvInteger": 2,
    "QGemm": 6,
    "QLinearAdd": 7,
    "QLinearMul": 7,
    "QLinearSigmoid": 4,
    "QLinearLeakyRelu": 4,
    "QLinearSoftmax": 4,
    "QLinearAveragePool": 4,
    "QLinearGlobalAveragePool": 4,
    "QLinearConcat": 5,
    "QLinearWhere": 9,
    "MatMulIntegerToFloat": 4,
    "DynamicQuantizeMatMul": 3,
    "DynamicQuantizeLSTM": 12,
}


@pytest.mark.parametrize("operator", INPUTS)
def test_a_node_with_too_few_inputs_or_outputs_is_named(make_model, operator) -> None:
    cases = [(["x"] * count, ["y", "s2", "z2"]) for count in range(INPUTS[operator])]
    cases.append((["x"] * INPUTS[operator], []))
    for inputs, outputs in cases:
        node = make_node(operator, inputs, outputs, name="short")
        model = make_model([node, make_node("Relu", ["x"], ["r"])], (1, 3), outputs=("r",))
        with pytest.raises(ModelError, match=f"node 'short' \\({operator}\\) has {len(inputs)} inputs and"):
            float_form(model)


def test_a_node_without_outputs_that_a_weight_passes_is_named(make_model) -> None:
    nodes = [make_node("Squeeze", ["w"], ["a"]), make_node("Squeeze", ["a"], [], name="end")]
    model = make_model([*nodes, make_node("Relu", ["x"], ["y"])], (1, 3), constants={"w": np.ones((1, 3), np.int8)})
    with pytest.raises(ModelError, match=r"node 'end' \(Squeeze\) has 1 inputs and 0 outputs"):
        float_form(model)


def test_a_node_with_neither_name_nor_output_is_answered_with_a_sentence(make_model) -> None:
    model = make_model([make_node("Constant", [], []), make_node("Relu", ["x"], ["y"])], (1, 3))
    with pytest.raises(ModelError, match=r"node '' \(Constant\) has 0 inputs and 0 outputs"):
        float_form(model)
