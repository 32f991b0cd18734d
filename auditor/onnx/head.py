"""What a classifier's graph ends with, and the graph without it.

A softmax or sigmoid at the end flattens the gradient where the model is confident, which is where an attack
starts. The tensor before it ranks the classes the same and keeps the gradient.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from onnx import TensorProto

from auditor.onnx.graph import Graph
from auditor.onnx.node import Node
from auditor.onnx.registry import find_operator

Head = Literal["logits", "softmax", "sigmoid", "log_softmax"]

_HEADS: dict[str, Head] = {
    "Softmax": "softmax",
    "Sigmoid": "sigmoid",
    "LogSoftmax": "log_softmax",
    "QLinearSoftmax": "softmax",
    "QLinearSigmoid": "sigmoid",
}
_RESHAPING = {"Identity", "Cast", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "ZipMap", "Dropout"}
# Made for probabilities; applied to logits, a scale of 1/256 or a clip to [0, 1] would destroy them.
_LIMITING = {"QuantizeLinear", "DequantizeLinear", "Clip"}
_FLOATING = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE}


@dataclass(frozen=True)
class Ending:
    """The kind of head, and the outputs of the nodes that stripping turns into copies of their input."""

    head: Head
    removed: frozenset[str] = frozenset()


def find_ending(nodes: Iterable[tuple[str, Sequence[str], Sequence[str]]], output: str) -> Ending:
    """Walk back from `output` over nodes that keep the order of the classes.

    `nodes` are triples of operator (see `kind_of`), inputs and outputs.
    """
    writer = {name: (kind, inputs) for kind, inputs, outputs in nodes for name in outputs[:1]}
    limiting: list[str] = []
    while output in writer:
        # Taken out, so that a cycle, which some file may hold, ends.
        kind, inputs = writer.pop(output)
        if kind in _HEADS:
            return Ending(_HEADS[kind], frozenset([output, *limiting]))
        if kind in _LIMITING:
            limiting.append(output)
        elif kind not in _RESHAPING:
            break
        if not inputs:
            break
        output = inputs[0]
    return Ending("logits")


def kind_of(op_type: str, to: object) -> str:
    """The operator's name; that of a Cast only where its attribute `to` is a floating type, which keeps the order."""
    return op_type if op_type != "Cast" or to in _FLOATING else "Cast to whole numbers"


def strip(graph: Graph, ending: Ending) -> Graph:
    """The graph with the nodes of its ending turned into copies of their input, of a quantised head in floats."""
    nodes = (_copy(node) if ending.removed.intersection(node.outputs[:1]) else node for node in graph.nodes)
    return replace(graph, nodes=tuple(nodes))


def _copy(node: Node) -> Node:
    if not node.op_type.startswith("QLinear"):
        return replace(node, op_type="Identity", domain="", inputs=node.inputs[:1], attributes={})
    operator = find_operator("DequantizeLinear", "com.microsoft", 1)
    return replace(node, op_type="DequantizeLinear", inputs=node.inputs[:3], attributes={}, operator=operator)
