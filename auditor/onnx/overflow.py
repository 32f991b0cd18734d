"""Where ONNX Runtime's sums of 8-bit products overflow.

Processors without the VNNI instructions add the products of two pairs of 8-bit numbers in sixteen bits, which saturate.
The same quantised file then answers otherwise than on processors that have them, by far more than rounding.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from auditor.onnx.quantisation_kind import quantisation_kind

_DEPTH = 64
_SEVEN_BITS = 64
"""Two products of 255 and a weight up to this fit into sixteen bits with a sign; `reduce_range` keeps to it."""


@cache
def overflows() -> bool:
    """Whether sums of unsigned times signed 8-bit numbers come out too small on this processor; asked once."""
    x, weight = np.full((1, _DEPTH), 255, np.uint8), np.full((_DEPTH, 1), 127, np.int8)
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["x", "weight"], ["y"])],
        "sum",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.INT32, (1, 1))],
        [numpy_helper.from_array(weight, "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {"x": x})
    return bool(y.item() != _DEPTH * 255 * 127)


def wide_weights(model: onnx.ModelProto) -> tuple[int, int]:
    """How many signed 8-bit weights of integer arithmetic are beyond seven bits, and how many there are.

    Those stored outside of the file are not read, and count as none.
    """
    if quantisation_kind(model).startswith(("none", "weights only")):
        return 0, 0
    tensors = [tensor for tensor in model.graph.initializer if _is_weight(tensor)]
    wide = sum(int((np.abs(numpy_helper.to_array(tensor).astype(np.int16)) > _SEVEN_BITS).sum()) for tensor in tensors)
    return wide, sum(int(np.prod(tensor.dims)) for tensor in tensors)


def _is_weight(tensor: TensorProto) -> bool:
    # Zero points have at most one dimension.
    inside = tensor.data_location != TensorProto.EXTERNAL
    return tensor.data_type == TensorProto.INT8 and len(tensor.dims) > 1 and inside
