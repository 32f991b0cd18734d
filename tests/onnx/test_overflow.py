"""Which quantised graphs answer otherwise where 8-bit products are added in sixteen bits, and where that is so."""

from __future__ import annotations

import platform
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from auditor.onnx.overflow import overflows, wide_weights

CPUINFO = Path("/proc/cpuinfo")


@pytest.fixture
def product(tmp_path, make_model) -> Path:
    """A product with weights from -1 to 1, of which 8 bits are 64 or less for those up to a half."""
    weight = np.array([[-1.0, -0.75, 0.25, 0.5], [1.0, 0.1, 0.2, 0.3]], np.float32)
    path = tmp_path / "float.onnx"
    onnx.save(make_model([helper.make_node("MatMul", ["x", "w"], ["y"])], ("n", 2), constants={"w": weight}), path)
    return path


def quantised(path: Path, **options: object) -> onnx.ModelProto:
    quantize_dynamic(path, path.with_name("q.onnx"), **options)
    return onnx.load(path.with_name("q.onnx"))


def test_weights_beyond_seven_bits_are_counted(product) -> None:
    assert wide_weights(quantised(product, weight_type=QuantType.QInt8)) == (3, 8)


def test_with_a_reduced_range_none_is(product) -> None:
    assert wide_weights(quantised(product, weight_type=QuantType.QInt8, reduce_range=True)) == (0, 8)


def test_products_without_sign_fit(product) -> None:
    assert wide_weights(quantised(product, weight_type=QuantType.QUInt8)) == (0, 0)


def test_numbers_of_eight_bits_that_become_floats_first_are_added_as_floats(make_model) -> None:
    nodes = [helper.make_node("DequantizeLinear", ["w", "s"], ["f"]), helper.make_node("MatMul", ["x", "f"], ["y"])]
    constants = {"w": np.full((2, 4), 127, np.int8), "s": np.float32(0.1)}
    assert wide_weights(make_model(nodes, ("n", 2), constants=constants)) == (0, 0)
    assert wide_weights(make_model([helper.make_node("Relu", ["x"], ["y"])], ("n", 2))) == (0, 0)


def test_what_lies_outside_of_the_file_is_not_read(product) -> None:
    model = quantised(product, weight_type=QuantType.QInt8)
    (tensor,) = (tensor for tensor in model.graph.initializer if len(tensor.dims) == 2)
    tensor.CopyFrom(numpy_helper.from_array(np.full((2, 4), 127, np.int8), tensor.name))
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    assert wide_weights(model) == (0, 0)


@pytest.mark.skipif(platform.machine() != "x86_64" or not CPUINFO.exists(), reason="the processor cannot be asked")
def test_a_processor_without_the_instructions_overflows_and_one_with_them_does_not() -> None:
    (flags, *_) = (line for line in CPUINFO.read_text().splitlines() if line.startswith("flags"))
    assert overflows() == ("vnni" not in flags)
