"""How a graph is quantised, said in words: what ONNX Runtime's quantiser writes, and what others write by hand."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static

from auditor.onnx import inspect_graph

FLOAT = TensorProto.FLOAT


class Noise(CalibrationDataReader):
    def __init__(self) -> None:
        self.left = [{"x": np.random.default_rng(i).random((1, 3, 8, 8), np.float32)} for i in range(3)]

    def get_next(self) -> dict[str, np.ndarray] | None:
        return self.left.pop() if self.left else None


@pytest.fixture
def floating(tmp_path: Path) -> Path:
    """A convolution and a matrix product."""
    rng = np.random.default_rng(0)
    weights = {"w": rng.normal(size=(4, 3, 3, 3)), "b": rng.normal(size=4), "m": rng.normal(size=(144, 5))}
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("Flatten", ["r"], ["f"]),
        helper.make_node("MatMul", ["f", "m"], ["y"]),
    ]
    return save(tmp_path / "float.onnx", nodes, weights, (1, 3, 8, 8), (1, 5))


def save(
    path: Path,
    nodes: list[onnx.NodeProto],
    weights: dict[str, np.ndarray],
    x: tuple[int, ...],
    y: tuple[int, ...],
    stored: tuple[onnx.TensorProto, ...] = (),
) -> Path:
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", FLOAT, x)],
        [helper.make_tensor_value_info("y", FLOAT, y)],
        [*(numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()), *stored],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


def said(path: Path) -> str:
    return inspect_graph(path).quantisation


def test_a_float_graph_is_not_quantised(floating: Path) -> None:
    assert said(floating) == "none"


@pytest.mark.parametrize(
    ("form", "per_channel", "weights", "activations", "expected"),
    [
        ("QDQ", False, "QInt8", "QUInt8", "static QDQ: int8 weights per tensor, uint8 activations per tensor"),
        ("QDQ", True, "QInt8", "QInt8", "static QDQ: int8 weights per channel, int8 activations per tensor"),
        ("QDQ", False, "QInt8", "QUInt16", "static QDQ: int8 weights per tensor, uint16 activations per tensor"),
        (
            "QOperator",
            False,
            "QUInt8",
            "QUInt8",
            "static QOperator: uint8 weights per tensor, uint8 activations per tensor",
        ),
    ],
)
def test_static_quantisation(
    floating: Path, form: str, per_channel: bool, weights: str, activations: str, expected: str
) -> None:
    logging.disable()
    quantize_static(
        floating,
        floating.with_name("q.onnx"),
        Noise(),
        quant_format=QuantFormat[form],
        per_channel=per_channel,
        weight_type=QuantType[weights],
        activation_type=QuantType[activations],
    )
    logging.disable(logging.NOTSET)
    assert said(floating.with_name("q.onnx")) == expected


@pytest.mark.parametrize("kind", ["QInt8", "QUInt8"])
def test_dynamic_quantisation(floating: Path, kind: str) -> None:
    quantize_dynamic(floating, floating.with_name("q.onnx"), weight_type=QuantType[kind])
    dtype = kind[1:].lower()
    assert said(floating.with_name("q.onnx")) == f"dynamic: {dtype} weights per tensor, activations at run time"


def test_weights_in_blocks_of_four_bits(tmp_path: Path) -> None:
    nodes = [
        helper.make_node(
            "MatMulNBits", ["x", "w", "s"], ["y"], domain="com.microsoft", K=64, N=5, bits=4, block_size=32
        )
    ]
    packed = numpy_helper.from_array(np.zeros((5, 2, 16), np.uint8), "w")
    path = save(tmp_path / "m.onnx", nodes, {"s": np.ones(10)}, (1, 64), (1, 5), (packed,))
    assert said(path) == "weights only: int4 weights in blocks of 32"


def test_weights_alone_that_are_dequantised_channel_by_channel(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "s"], ["w"], axis=1),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
    ]
    narrow = helper.make_tensor("q", TensorProto.INT4, [6, 5], [1] * 30)
    path = save(tmp_path / "m.onnx", nodes, {"s": np.ones(5)}, (1, 6), (1, 5), (narrow,))
    assert said(path) == "weights only: int4 weights per channel"
