"""A model whose answer is known: class 1 where the mean brightness exceeds one half."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """An ONNX file with the logits `(0.5 - mean, mean - 0.5) * 20` of an image `(N, 1, 4, 4)`."""
    weight = np.stack([-np.ones(16), np.ones(16)]).astype(np.float32) * 20 / 16
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["image"], ["flat"]),
            helper.make_node("Gemm", ["flat", "weight", "bias"], ["logits"], transB=1),
        ],
        "threshold",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 4, 4])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2])],
        [
            onnx.numpy_helper.from_array(weight, "weight"),
            onnx.numpy_helper.from_array(np.array([10, -10], dtype=np.float32), "bias"),
        ],
    )
    path = tmp_path / "threshold.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path
