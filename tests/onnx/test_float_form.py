"""Quantised graphs without their integers: what they answer, what they keep, what training finds in them."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.helper import make_node
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static

from auditor.errors import ModelError
from auditor.onnx import float_form, inspect_graph, load_twin
from auditor.onnx.float_form import is_quantised
from auditor.onnx.overflow import overflows

RNG = np.random.default_rng(0)
SHAPE = (4, 3, 8, 8)


def weight(*shape: int) -> np.ndarray:
    return (RNG.normal(size=shape) / np.sqrt(max(1, np.prod(shape[1:])))).astype(np.float32)


@pytest.fixture(scope="module")
def network(make_model) -> onnx.ModelProto:
    """Every kind of node that the quantiser treats in a way of its own; its Relu vanishes into a quantiser."""
    nodes = [
        make_node("Conv", ["x", "w1", "b1"], ["c"], pads=[1, 1, 1, 1]),
        make_node("Relu", ["c"], ["r"]),
        make_node("MaxPool", ["r"], ["m"], kernel_shape=[2, 2], strides=[2, 2]),
        make_node("Pad", ["m", "pads"], ["padded"]),
        make_node("Conv", ["padded", "w2"], ["d"]),
        make_node("Add", ["d", "m"], ["a"]),
        make_node("Sigmoid", ["d"], ["s"]),
        make_node("Mul", ["a", "s"], ["gated"]),
        make_node("LeakyRelu", ["gated"], ["leaky"], alpha=0.1),
        make_node("Concat", ["leaky", "m"], ["both"], axis=1),
        make_node("AveragePool", ["both"], ["p"], kernel_shape=[2, 2]),
        make_node("GlobalAveragePool", ["p"], ["g"]),
        make_node("Flatten", ["g"], ["f"]),
        make_node("MatMul", ["f", "w3"], ["h"]),
        make_node("Gemm", ["h", "w4", "b4"], ["y"], transB=1),
    ]
    constants = {"w1": weight(6, 3, 3, 3), "b1": weight(6), "w2": weight(6, 6, 3, 3), "w3": weight(12, 7)}
    constants |= {"w4": weight(5, 7), "b4": weight(5), "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1])}
    model = make_model(nodes, ("n", *SHAPE[1:]), constants=constants, opset=17)
    model.metadata_props.add(key="author", value="nobody")
    return model


class Calibration(CalibrationDataReader):
    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.batches = iter([{"x": rng.random(SHAPE, dtype=np.float32)} for _ in range(8)])

    def get_next(self):
        return next(self.batches, None)


STATIC = {
    "qdq": {"quant_format": QuantFormat.QDQ},
    "qdq int8 per channel": {
        "quant_format": QuantFormat.QDQ,
        "per_channel": True,
        "activation_type": QuantType.QInt8,
        "weight_type": QuantType.QInt8,
    },
    "qoperator": {"quant_format": QuantFormat.QOperator},
    "qoperator per channel": {"quant_format": QuantFormat.QOperator, "per_channel": True},
}


@pytest.fixture(scope="module")
def silent() -> Iterator[None]:
    logging.disable(logging.WARNING)  # the quantiser advises on preprocessing through the root logger
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module", params=[*STATIC, "dynamic", "dynamic per channel"])
def quantised(request, network, silent, tmp_path_factory) -> onnx.ModelProto:
    folder = tmp_path_factory.mktemp("quantised")
    onnx.save(network, folder / "float.onnx")
    if request.param in STATIC:
        quantize_static(folder / "float.onnx", folder / "q.onnx", Calibration(), **STATIC[request.param])
    else:
        per_channel = request.param == "dynamic per channel"
        kind = QuantType.QInt8 if per_channel else QuantType.QUInt8
        quantize_dynamic(
            folder / "float.onnx",
            folder / "q.onnx",
            per_channel=per_channel,
            weight_type=kind,
            reduce_range=per_channel and overflows(),
        )
    return onnx.load(folder / "q.onnx")


@pytest.fixture(scope="module")
def x() -> torch.Tensor:
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(1))


def test_it_answers_what_the_quantised_graph_answers_up_to_rounding(quantised, onnx_runtime, x) -> None:
    rounded, real = onnx_runtime(quantised, x, optimise=False), onnx_runtime(float_form(quantised), x)
    assert np.abs(rounded - real).max() <= 0.03 * np.ptp(rounded)


def test_it_holds_no_quantised_node_and_no_integer_weight(quantised) -> None:
    form = float_form(quantised)
    assert not is_quantised(form)
    assert not inspect_graph(form).quantised
    assert {t.data_type for t in form.graph.initializer} <= {TensorProto.FLOAT, TensorProto.INT64}
    onnx.checker.check_model(form, full_check=True)


def test_the_interface_and_the_source_stay_as_they_were(quantised) -> None:
    before = quantised.SerializeToString()
    form = float_form(quantised)
    assert quantised.SerializeToString() == before
    for part in ("input", "output"):
        assert list(getattr(form.graph, part)) == list(getattr(quantised.graph, part))
    assert list(form.opset_import) == list(quantised.opset_import)
    assert list(form.metadata_props) == list(quantised.metadata_props)


def test_its_twin_has_every_weight_of_the_float_network_as_a_parameter(quantised, network, x) -> None:
    twin = load_twin(float_form(quantised))
    shapes = sorted(p.numel() for p in twin.parameters())
    assert shapes == sorted(p.numel() for p in load_twin(network).parameters())
    twin.requires_grad_(True)
    twin(x).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in twin.parameters())


def test_a_relu_that_the_range_of_a_quantiser_stands_for_is_kept(make_model, onnx_runtime) -> None:
    nodes = [
        make_node("Add", ["x", "b"], ["h"]),
        make_node("QuantizeLinear", ["h", "s", "z"], ["q"]),
        make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    constants = {"b": np.zeros(3, np.float32), "s": np.float32(0.1), "z": np.uint8(0)}
    form = float_form(make_model(nodes, (1, 3), constants=constants))
    answer = onnx_runtime(form, torch.tensor([[-1.0, 1.03, 99.0]]))
    np.testing.assert_allclose(answer, [[0.0, 1.03, 25.5]], rtol=1e-6)


def test_black_and_white_inputs_keep_their_gradient(make_model) -> None:
    nodes = [make_node("QuantizeLinear", ["x", "s", "z"], ["q"]), make_node("DequantizeLinear", ["q", "s", "z"], ["y"])]
    constants = {"s": np.float32(1 / 255.01), "z": np.uint8(0)}
    twin = load_twin(float_form(make_model(nodes, (1, 2), constants=constants)))
    x = torch.tensor([[0.0, 1.0]], requires_grad=True)
    (gradient,) = torch.autograd.grad(twin(x).sum(), x)
    assert gradient.tolist() == [[1.0, 1.0]]


def test_before_opset_eleven_the_bounds_are_attributes(make_model, onnx_runtime) -> None:
    nodes = [
        make_node("Neg", ["x"], ["h"]),
        make_node("QuantizeLinear", ["h", "s", "z"], ["q"]),
        make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    form = float_form(make_model(nodes, (1, 2), constants={"s": np.float32(1), "z": np.int8(0)}, opset=10))
    np.testing.assert_allclose(onnx_runtime(form, torch.tensor([[500.0, -5.5]])), [[-128, 5.5]])


def test_integer_inputs_and_outputs_keep_their_type(make_model) -> None:
    nodes = [
        make_node("DequantizeLinear", ["x", "s", "z"], ["f"]),
        make_node("Neg", ["f"], ["h"]),
        make_node("QuantizeLinear", ["h", "s", "z"], ["y"]),
    ]
    model = make_model(nodes, (1, 2), constants={"s": np.float32(0.5), "z": np.int8(3)}, element=TensorProto.INT8)
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT8
    x = np.array([[7, -4]], np.int8)
    sessions = (onnxruntime.InferenceSession(m.SerializeToString()) for m in (model, float_form(model)))
    expected, answer = (session.run(None, {"x": x})[0] for session in sessions)
    assert answer.dtype == np.int8
    np.testing.assert_array_equal(answer, expected)


def test_weights_rounded_at_run_time_are_not_rounded(make_model, onnx_runtime) -> None:
    nodes = [
        make_node("QuantizeLinear", ["w", "s", "z"], ["q"], axis=1),
        make_node("DequantizeLinear", ["q", "s", "z"], ["v"], axis=1),
        make_node("MatMul", ["x", "v"], ["y"]),
    ]
    constants = {"w": weight(3, 2), "s": np.array([0.02, 0.03], np.float32), "z": np.zeros(2, np.int8)}
    form = float_form(make_model(nodes, (1, 3), constants=constants))
    np.testing.assert_allclose(onnx_runtime(form, torch.eye(3)[:1]), constants["w"][:1])
    assert [node.op_type for node in form.graph.node] == ["MatMul"]


def test_an_embedding_becomes_a_table_of_floats(make_model) -> None:
    nodes = [
        make_node("Gather", ["table", "x"], ["rows"]),
        make_node("DequantizeLinear", ["rows", "s", "z"], ["y"]),
    ]
    table = RNG.integers(0, 255, (6, 4), dtype=np.uint8)
    constants = {"table": table, "s": np.float32(0.1), "z": np.uint8(128)}
    form = float_form(make_model(nodes, (None,), constants=constants, element=TensorProto.INT64))
    session = onnxruntime.InferenceSession(form.SerializeToString())
    (answer,) = session.run(None, {"x": np.array([5, 0])})
    np.testing.assert_allclose(answer, (table[[5, 0]] - 128.0) * 0.1, rtol=1e-5)


@pytest.mark.parametrize("element", [TensorProto.INT4, TensorProto.UINT4])
def test_weights_of_four_bits_in_blocks_become_floats(make_model, onnx_runtime, element) -> None:
    nodes = [
        make_node("DequantizeLinear", ["q", "s", "z"], ["w"], axis=0, block_size=2),
        make_node("MatMul", ["x", "w"], ["y"]),
    ]
    model = make_model(nodes, (1, 4), constants={"s": weight(2, 3)}, opset=21)
    values = RNG.integers(0, 7, 12).tolist()
    model.graph.initializer.append(helper.make_tensor("q", element, (4, 3), values))
    model.graph.initializer.append(helper.make_tensor("z", element, (2, 3), [1] * 6))
    model.ir_version = 10
    x = torch.rand(1, 4)
    np.testing.assert_allclose(onnx_runtime(float_form(model), x), onnx_runtime(model, x), rtol=1e-5)


def test_a_recurrent_layer_of_onnx_runtime_gets_its_weights_back(make_model, silent, tmp_path) -> None:
    constants = {"w": weight(2, 16, 3), "r": weight(2, 16, 4), "b": weight(2, 32)}
    lstm = make_node("LSTM", ["x", "w", "r", "b"], ["y"], hidden_size=4, direction="bidirectional")
    onnx.save(make_model([lstm], (5, 2, 3), constants=constants), tmp_path / "float.onnx")
    quantize_dynamic(tmp_path / "float.onnx", tmp_path / "q.onnx", op_types_to_quantize=["LSTM"])
    model = onnx.load(tmp_path / "q.onnx")
    assert [node.op_type for node in model.graph.node] == ["DynamicQuantizeLSTM"]
    x = RNG.random((5, 2, 3), dtype=np.float32)
    sessions = (onnxruntime.InferenceSession(m.SerializeToString()) for m in (model, float_form(model)))
    expected, answer = (session.run(None, {"x": x})[0] for session in sessions)
    np.testing.assert_allclose(answer, expected, atol=0.02)
    assert len(list(load_twin(float_form(model)).parameters())) == 3


def test_products_that_onnx_runtime_fuses_become_plain_ones(make_model, onnx_runtime) -> None:
    q = RNG.integers(0, 255, (4, 3), dtype=np.uint8)
    nodes = [make_node("DynamicQuantizeMatMul", ["x", "q", "s", "z", "b"], ["y"], domain="com.microsoft")]
    constants = {"q": q, "s": np.float32(0.01), "z": np.uint8(120), "b": weight(3)}
    model = make_model(nodes, (2, 4), constants=constants)
    x = torch.rand(2, 4)
    np.testing.assert_allclose(onnx_runtime(float_form(model), x), onnx_runtime(model, x), atol=0.03)


def test_two_factors_that_are_both_quantised_at_run_time_are_multiplied_as_floats(make_model, onnx_runtime) -> None:
    nodes = [
        make_node("Transpose", ["x"], ["t"], perm=[1, 0]),
        make_node("DynamicQuantizeLinear", ["x"], ["qa", "sa", "za"]),
        make_node("DynamicQuantizeLinear", ["t"], ["qb", "sb", "zb"]),
        make_node("MatMulInteger", ["qa", "qb", "za", "zb"], ["i"]),
        make_node("Cast", ["i"], ["f"], to=TensorProto.FLOAT),
        make_node("Mul", ["sa", "sb"], ["s"]),
        make_node("Mul", ["f", "s"], ["y"]),
    ]
    x = torch.rand(3, 4)
    answer = onnx_runtime(float_form(make_model(nodes, (3, 4))), x)
    np.testing.assert_allclose(answer, (x @ x.t()).numpy(), rtol=1e-5)


def test_branches_are_rewritten_too(make_model, onnx_runtime) -> None:
    output = [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)]
    inner = helper.make_graph([make_node("DequantizeLinear", ["q", "s"], ["out"])], "then", [], output)
    other = helper.make_graph([make_node("MatMul", ["x", "v"], ["out"])], "else", [], output)
    nodes = [
        make_node("QuantizeLinear", ["x", "s"], ["q"]),
        make_node("DequantizeLinear", ["qw", "s"], ["v"]),
        make_node("If", ["flag"], ["y"], then_branch=inner, else_branch=other),
    ]
    constants = {"s": np.float32(0.1), "qw": np.array([[1, 0], [0, 2]], np.uint8)}
    for flag in (True, False):
        model = make_model(nodes, (1, 2), constants={**constants, "flag": np.array(flag)})
        form = float_form(model)
        assert not is_quantised(form)
        x = torch.tensor([[0.5, 0.3]])
        np.testing.assert_allclose(onnx_runtime(form, x), onnx_runtime(model, x), rtol=1e-5)


@pytest.mark.parametrize(
    ("nodes", "text"),
    [
        ([make_node("Cast", ["q"], ["y"], to=TensorProto.FLOAT, name="peek")], "'peek' .Cast. computes with integers"),
        ([make_node("DequantizeLinear", ["q", "t"], ["y"], name="odd")], "'odd' .* another scale"),
        ([make_node("QLinearExp", ["q", "s"], ["y"], domain="com.microsoft", name="e")], "'e' .QLinearExp."),
    ],
)
def test_what_has_no_float_form_is_named(make_model, nodes, text) -> None:
    first = make_node("QuantizeLinear", ["x", "s"], ["q"])
    model = make_model([first, *nodes], (2,), constants={"s": np.float32(0.1), "t": np.float32(0.3)})
    with pytest.raises(ModelError, match=text):
        float_form(model)


def test_a_graph_without_integers_is_its_own_float_form(network) -> None:
    assert float_form(network) == network
    assert numpy_helper.to_array(network.graph.initializer[0]).dtype == np.float32
