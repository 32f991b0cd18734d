"""Quantised graphs: forward as ONNX Runtime rounds, backward straight through the rounding."""

from __future__ import annotations

import logging

import numpy as np
import onnx
import pytest
import torch
from onnx.helper import make_node
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static

from auditor.onnx import inspect_graph, load_twin


class Calibration(CalibrationDataReader):
    def __init__(self, shape: tuple[int, ...]) -> None:
        rng = np.random.default_rng(0)
        self.batches = iter([{"x": rng.random(shape, dtype=np.float32)} for _ in range(8)])

    def get_next(self):
        return next(self.batches, None)


@pytest.fixture(scope="module")
def network(make_model):
    """Convolution, pooling, a residual addition and a linear layer: (4, 3, 8, 8) to (4, 5)."""
    rng = np.random.default_rng(0)

    def weight(*shape: int):
        return (rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    nodes = [
        make_node("Conv", ["x", "w1", "b1"], ["c"], pads=[1, 1, 1, 1]),
        make_node("Relu", ["c"], ["r"]),
        make_node("MaxPool", ["r"], ["m"], kernel_shape=[2, 2], strides=[2, 2]),
        make_node("Conv", ["m", "w2"], ["d"], pads=[1, 1, 1, 1]),
        make_node("Add", ["d", "m"], ["a"]),
        make_node("GlobalAveragePool", ["a"], ["g"]),
        make_node("Flatten", ["g"], ["f"]),
        make_node("Gemm", ["f", "w3", "b3"], ["y"], transB=1),
    ]
    weights = {"w1": weight(6, 3, 3, 3), "b1": weight(6, 1)[:, 0], "w2": weight(6, 6, 3, 3)}
    weights |= {"w3": weight(5, 6), "b3": weight(5, 1)[:, 0]}
    return make_model(nodes, ("n", 3, 8, 8), constants=weights, opset=17)


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


@pytest.fixture(scope="module", params=[*STATIC, "dynamic"])
def quantised(request, network, tmp_path_factory) -> onnx.ModelProto:
    folder = tmp_path_factory.mktemp("quantised")
    onnx.save(network, folder / "float.onnx")
    logging.disable(logging.WARNING)  # the quantiser advises on preprocessing through the root logger
    try:
        if request.param == "dynamic":
            quantize_dynamic(folder / "float.onnx", folder / "q.onnx", weight_type=QuantType.QUInt8)
        else:
            data = Calibration((4, 3, 8, 8))
            quantize_static(folder / "float.onnx", folder / "q.onnx", data, **STATIC[request.param])
    finally:
        logging.disable(logging.NOTSET)
    return onnx.load(folder / "q.onnx")


def quantum(answers: np.ndarray) -> float:
    """The step between neighbouring answers of a graph whose output is quantised."""
    return float(np.diff(np.unique(answers.round(6))).min())


def test_outputs_agree_with_onnx_runtime_within_a_quantum(quantised, onnx_runtime) -> None:
    x = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    expected = onnx_runtime(quantised, x, optimise=False)
    difference = np.abs(load_twin(quantised)(x).numpy() - expected)
    is_dynamic = any(node.op_type == "DynamicQuantizeLinear" for node in quantised.graph.node)
    assert difference.max() <= (0.01 if is_dynamic else 1.01 * quantum(expected))
    assert np.median(difference) <= 1e-5 * np.abs(expected).max()


def test_gradients_point_where_those_of_the_float_network_do(quantised, network) -> None:
    x = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(1), requires_grad=True)
    direction = torch.randn(4, 5, generator=torch.Generator().manual_seed(2))
    rounded, exact = (
        torch.autograd.grad((load_twin(model)(x) * direction).sum(), x)[0].flatten(1) for model in (quantised, network)
    )
    assert torch.cosine_similarity(rounded, exact).min() > 0.9


def test_a_quantised_graph_maps_over_single_samples(quantised) -> None:
    x = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    twin = load_twin(quantised)
    alone = torch.cat([twin(sample.unsqueeze(0)) for sample in x])
    mapped = torch.vmap(lambda sample: twin(sample.unsqueeze(0)).squeeze(0))(x)
    torch.testing.assert_close(mapped, alone, rtol=0, atol=0.02)


def test_a_quantised_graph_is_described_as_one(quantised, network) -> None:
    assert inspect_graph(quantised).quantised
    assert not inspect_graph(network).quantised


def round_trip(make_model, zero: np.generic, scale: float = 0.1):
    nodes = [make_node("QuantizeLinear", ["x", "s", "z"], ["q"]), make_node("DequantizeLinear", ["q", "s", "z"], ["y"])]
    return make_model(nodes, (None,), constants={"s": np.float32(scale), "z": zero}, opset=21)


@pytest.mark.parametrize(
    ("zero", "low", "high"),
    [(np.int8(0), -12.8, 12.7), (np.uint8(0), 0, 25.5), (np.uint8(128), -12.8, 12.7), (np.int16(0), -3276.8, 3276.7)],
)
def test_values_are_clipped_to_the_range_of_the_zero_points_type(make_model, zero, low, high) -> None:
    y = load_twin(round_trip(make_model, zero))(torch.tensor([-1e6, 1e6]))
    torch.testing.assert_close(y, torch.tensor([low, high]))


def test_four_bits_are_clipped_to_four_bits(make_model) -> None:
    model = round_trip(make_model, np.int8(0))
    zero = next(tensor for tensor in model.graph.initializer if tensor.name == "z")
    zero.CopyFrom(onnx.helper.make_tensor("z", onnx.TensorProto.INT4, (), [0]))
    torch.testing.assert_close(load_twin(model)(torch.tensor([-9.0, 9.0])), torch.tensor([-0.8, 0.7]))


def test_what_overflows_is_clipped_too_and_has_no_gradient(make_model, onnx_runtime) -> None:
    x = torch.tensor([-3.4e38, -torch.inf, 1.0, 3.4e38, torch.inf], requires_grad=True)
    model = round_trip(make_model, np.uint8(5), 0.05)
    y = load_twin(model)(x)
    np.testing.assert_allclose(y.detach().numpy(), onnx_runtime(model, x), rtol=1e-6)
    assert torch.autograd.grad(y.sum(), x)[0].tolist() == [0, 0, 1, 0, 0]


def test_ties_are_rounded_to_even(make_model) -> None:
    x = torch.tensor([0.5, 1.5, 2.5, -0.5, -1.5])
    torch.testing.assert_close(load_twin(round_trip(make_model, np.int8(0), 1.0))(x), torch.tensor([0.0, 2, 2, 0, -2]))


def test_the_gradient_passes_rounding_and_stops_at_the_clipping_range(make_model) -> None:
    x = torch.tensor([0.04, 3.33, 12.6, 13.0, -20.0], requires_grad=True)
    (gradient,) = torch.autograd.grad(load_twin(round_trip(make_model, np.int8(0)))(x).sum(), x)
    torch.testing.assert_close(gradient, torch.tensor([1.0, 1, 1, 0, 0]))


def test_quantised_weights_become_one_float_parameter(make_model) -> None:
    constants = {"q": np.array([[1, 2], [3, 4]], np.int8), "s": np.array([0.5, 2], np.float32)}
    nodes = [
        make_node("DequantizeLinear", ["q", "s"], ["w"], axis=0),
        make_node("MatMul", ["x", "w"], ["y"]),
    ]
    twin = load_twin(make_model(nodes, (None, 2), constants=constants))
    (weight,) = twin.parameters()
    torch.testing.assert_close(weight.data, torch.tensor([[0.5, 1.0], [6.0, 8.0]]))
