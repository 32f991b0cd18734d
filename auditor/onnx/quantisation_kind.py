"""How a graph is quantised, in words."""

from __future__ import annotations

import math
from collections.abc import Iterable

import onnx
from onnx import TensorProto

from auditor.onnx.graph import all_nodes
from auditor.onnx.tensors import type_name

_DYNAMIC = ("DynamicQuantize", "MatMulInteger", "ConvInteger")
_OPERATORS = ("QLinear", "QGemm", "QAttention", "QEmbed", "QOrdered")
# Inputs of operators of whole numbers that hold weights, and their scales.
_WEIGHTS = {"QLinearConv": (3, 4), "QLinearMatMul": (3, 4), "QGemm": (3, 4), "MatMulIntegerToFloat": (1, 3)}


def quantisation_kind(model: onnx.ModelProto) -> str:
    """`"static QDQ: int8 weights per channel, uint8 activations per tensor"` and the like; `"none"` if it is not."""
    nodes = list(all_nodes(model.graph))
    kinds = {node.op_type for node in nodes}
    stored = _stored(model.graph, nodes)
    weights = sorted(set(filter(None, (_weight(node, stored) for node in nodes))))
    activations = sorted(set(filter(None, (_activation(node, stored) for node in nodes))))
    said = _listed(weights, "weights")
    if any(kind.startswith(_OPERATORS) for kind in kinds):
        return _joined("static QOperator", said, _listed(activations, "activations"))
    if any(kind.startswith(_DYNAMIC) for kind in kinds):
        return _joined("dynamic", said, "activations at run time")
    if activations:
        return _joined("static QDQ", said, _listed(activations, "activations"))
    return _joined("weights only", said) if weights else "none"


def _joined(kind: str, *parts: str) -> str:
    return f"{kind}: {', '.join(filter(None, parts))}".rstrip(": ")


def _listed(formats: Iterable[str], noun: str) -> str:
    """`int8 weights per channel`, or `int4 and int8 weights per channel` and so on."""
    by_way: dict[str, list[str]] = {}
    for text in formats:
        dtype, _, way = text.partition(" ")
        by_way.setdefault(way, []).append(dtype)
    return " and ".join(f"{' and '.join(dtypes)} {noun} {way}".strip() for way, dtypes in by_way.items())


def _stored(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> dict[str, TensorProto]:
    stored = {tensor.name: tensor for tensor in graph.initializer}
    for node in nodes:
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.HasField("t") and node.output:
                stored[node.output[0]] = attribute.t
    return stored


def _weight(node: onnx.NodeProto, stored: dict[str, TensorProto]) -> str:
    """Type and granularity of the weights that a node reads, or nothing."""
    if node.op_type in ("MatMulNBits", "GatherBlockQuantized", "GatherMatMulNBits"):
        return f"int{_integer(node, 'bits', 4)} in blocks of {_integer(node, 'block_size', 128)}"
    if node.op_type == "DequantizeLinear":
        at = (0, 1)
    elif node.op_type in ("MatMulInteger", "ConvInteger"):
        return _format(stored.get(_input(node, 1)), stored.get(_input(node, 3)), 0)
    elif node.op_type in _WEIGHTS:
        at = _WEIGHTS[node.op_type]
    else:
        return ""
    return _format(stored.get(_input(node, at[0])), stored.get(_input(node, at[1])), _integer(node, "block_size", 0))


def _activation(node: onnx.NodeProto, stored: dict[str, TensorProto]) -> str:
    """Type and granularity to which a node quantises what the samples decide, or nothing."""
    if node.op_type != "QuantizeLinear" or _input(node, 0) in stored:
        return ""
    zero = stored.get(_input(node, 2))
    kind = zero.data_type if zero is not None else _integer(node, "output_dtype", TensorProto.UINT8)
    return f"{type_name(kind or TensorProto.UINT8).lower()} {_way(stored.get(_input(node, 1)), 0)}"


def _format(weight: TensorProto | None, scale: TensorProto | None, block: int) -> str:
    # Biases are held in 32 bits, which is exact enough not to be worth a word.
    if weight is None or weight.data_type in (TensorProto.INT32, TensorProto.FLOAT):
        return ""
    return f"{type_name(weight.data_type).lower()} {_way(scale, block)}"


def _way(scale: TensorProto | None, block: int) -> str:
    if block:
        return f"in blocks of {block}"
    return "per channel" if scale is not None and math.prod(scale.dims) > 1 else "per tensor"


def _input(node: onnx.NodeProto, index: int) -> str:
    return node.input[index] if index < len(node.input) else ""


def _integer(node: onnx.NodeProto, name: str, default: int) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == name), default)
