"""Graphs made by hand, and ONNX Runtime's answers to compare with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

MakeModel = Callable[..., onnx.ModelProto]
Answer = Callable[..., NDArray[np.float32]]


@pytest.fixture(scope="session")
def make_model() -> MakeModel:
    """A model of the given nodes from input `x` to output `y`; keyword `constants` become initialisers."""

    def make(
        nodes: Sequence[onnx.NodeProto],
        shape: Sequence[int | str | None],
        *,
        constants: dict[str, NDArray[np.generic]] | None = None,
        opset: int = 17,
        element: int = TensorProto.FLOAT,
        outputs: Sequence[str] = ("y",),
    ) -> onnx.ModelProto:
        graph = helper.make_graph(
            list(nodes),
            "g",
            [helper.make_tensor_value_info("x", element, shape)],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
            [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
        )
        imports = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=imports, ir_version=9)

    return make


@pytest.fixture(scope="session")
def onnx_runtime() -> Answer:
    """ONNX Runtime's first output for `x`, at full graph optimisation or (`optimise=False`) none."""

    def answer(model: onnx.ModelProto | str, x: torch.Tensor, *, optimise: bool = True) -> NDArray[np.float32]:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        if not optimise:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        source = model.SerializeToString() if isinstance(model, onnx.ModelProto) else model
        session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        result: NDArray[np.float32] = session.run(None, {session.get_inputs()[0].name: x.detach().numpy()})[0]
        return result

    return answer
