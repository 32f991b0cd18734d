"""A quantised file that answers otherwise on other processors is told so, where this one is such."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

import auditor.loaders.onnx as loader
from auditor.check import Severity
from auditor.plugins import load_plugins
from auditor.target.base import ModelOptions
from auditor.target.notices import OVERFLOW


@pytest.fixture
def linear(tmp_path) -> Path:
    weight = torch.linspace(-1.0, 1.0, 12).reshape(4, 3).numpy()
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("n", 4))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ("n", 3))],
        [numpy_helper.from_array(weight, "w")],
    )
    path = tmp_path / "float.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def _told(path: Path) -> list[str]:
    target = load_plugins().load_model(str(path), ModelOptions(), torch.device("cpu"))
    assert all(finding.severity is Severity.INFO for finding in target.findings if finding.code == OVERFLOW)
    return [finding.detail for finding in target.findings if finding.code == OVERFLOW]


@pytest.mark.parametrize("here", [True, False])
def test_wide_weights_are_told_where_sums_overflow(linear, here, monkeypatch) -> None:
    monkeypatch.setattr(loader, "overflows", lambda: here)
    quantised = linear.with_name("q.onnx")
    quantize_dynamic(linear, quantised, weight_type=QuantType.QInt8)
    told = _told(quantised)
    assert len(told) == here
    assert not here or "6 of the graph's 12 8-bit weights" in told[0]


def test_a_reduced_range_and_floats_are_safe_everywhere(linear, monkeypatch) -> None:
    monkeypatch.setattr(loader, "overflows", lambda: True)
    reduced = linear.with_name("q.onnx")
    quantize_dynamic(linear, reduced, weight_type=QuantType.QInt8, reduce_range=True)
    assert _told(reduced) == _told(linear) == []
