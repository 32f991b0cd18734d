"""What an ONNX file says about itself, read without running it or loading its external data."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import TensorProto

from auditor.onnx.files import read_model
from auditor.onnx.graph import all_nodes, count_operators, expand_functions, opsets_of, unsupported_nodes
from auditor.onnx.head import Head, find_ending, kind_of
from auditor.onnx.quantisation_kind import quantisation_kind
from auditor.onnx.tensors import type_name

_QUANTISED = {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "ConvInteger", "MatMulInteger"}


@dataclass(frozen=True)
class TensorInfo:
    """An input or output: its element type (`FLOAT`), and its shape with None where any size fits."""

    name: str
    element_type: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class GraphInfo:
    """A graph at a glance.

    `opset` is that of ONNX's own operators, `opsets` has those of all domains. `quantisation` says how in words.
    `unsupported` names operators without gradients, each with a node that uses it.
    """

    opset: int
    producer: str
    ir_version: int
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    operators: Counter[str]
    parameters: int
    quantised: bool
    unsupported: tuple[str, ...]
    metadata: dict[str, str]
    head: Head
    baked_batch: bool
    opsets: dict[str, int]
    quantisation: str


def inspect_graph(source: Path | str | onnx.ModelProto) -> GraphInfo:
    """Describe a model file (or model). Raises ModelError where it is no ONNX model."""
    model = read_model(source, weights=False)
    expanded = expand_functions(model)
    inputs, outputs = graph_inputs(model.graph), tuple(map(tensor_info, model.graph.output))
    operators = count_operators(model)
    quantised = any(_is_quantised(name.split("::")[-1]) for name in operators)
    shape = first_float(inputs).shape if inputs else ()
    nodes = expanded.graph.node
    triples = [(kind_of(node.op_type, _target(node)), list(node.input), list(node.output)) for node in nodes]
    return GraphInfo(
        opset=opsets_of(model).get("", 0),
        producer=f"{model.producer_name} {model.producer_version}".strip(),
        ir_version=model.ir_version,
        inputs=inputs,
        outputs=outputs,
        operators=operators,
        parameters=_count_parameters(model.graph, quantised),
        quantised=quantised,
        unsupported=unsupported_nodes(expanded),
        metadata={entry.key: entry.value for entry in model.metadata_props},
        head=find_ending(triples, first_float(outputs).name).head,
        baked_batch=bool(shape) and shape[0] is not None,
        opsets=opsets_of(model),
        quantisation=quantisation_kind(model),
    )


def graph_inputs(graph: onnx.GraphProto) -> tuple[TensorInfo, ...]:
    """The inputs that a caller must give: those without a default among the initialisers."""
    defaults = {tensor.name for tensor in graph.initializer}
    return tuple(tensor_info(value) for value in graph.input if value.name not in defaults)


def tensor_info(value: onnx.ValueInfoProto) -> TensorInfo:
    """Name, type and shape of an input or output; sequences and maps have the empty shape."""
    tensor = value.type.tensor_type
    shape = tuple(d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None for d in tensor.shape.dim)
    return TensorInfo(value.name, type_name(tensor.elem_type), shape)


def first_float(tensors: tuple[TensorInfo, ...]) -> TensorInfo:
    """The first tensor of a floating type, else the first at all."""
    floats = (t for t in tensors if "FLOAT" in t.element_type or t.element_type == "DOUBLE")
    return next(floats, tensors[0])


def _target(node: onnx.NodeProto) -> int | None:
    """The type that a Cast makes."""
    return next((attribute.i for attribute in node.attribute if attribute.name == "to"), None)


def _count_parameters(graph: onnx.GraphProto, quantised: bool) -> int:
    """Numbers stored in tensors, without indices, masks and texts; int32 holds the biases of a quantised graph."""
    stored = list(graph.initializer)
    stored += [a.t for n in all_nodes(graph) if n.op_type == "Constant" for a in n.attribute if a.HasField("t")]
    others = {TensorProto.INT64, TensorProto.BOOL, TensorProto.STRING} | (set() if quantised else {TensorProto.INT32})
    return sum(math.prod(t.dims) for t in stored if t.dims and t.data_type not in others)


def _is_quantised(op_type: str) -> bool:
    return op_type in _QUANTISED or op_type.startswith(("QLinear", "QGemm", "DynamicQuantize", "MatMulInteger"))
