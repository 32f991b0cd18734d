"""ONNX graphs as differentiable PyTorch modules.

    from auditor.onnx import load_twin

    twin = load_twin("model.onnx")
    logits = twin(x)

See docs/explanation/onnx-twin.md for how it works and what it promises.
"""

from auditor.onnx.compare import Difference, first_difference
from auditor.onnx.export import Exported
from auditor.onnx.float_form import float_form
from auditor.onnx.inspection import GraphInfo, TensorInfo, inspect_graph
from auditor.onnx.registry import UnsupportedOperator, operator
from auditor.onnx.twin import Twin, load_twin

__all__ = [
    "Difference",
    "Exported",
    "GraphInfo",
    "TensorInfo",
    "Twin",
    "UnsupportedOperator",
    "first_difference",
    "float_form",
    "inspect_graph",
    "load_twin",
    "operator",
]
