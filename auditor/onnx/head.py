"""What a classifier's graph ends with, and the graph without it.

A softmax or sigmoid at the end flattens the gradient where the model is confident, which is where an attack
starts. The tensor before it ranks the classes the same and keeps the gradient.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from auditor.onnx.graph import Graph

Head = Literal["logits", "softmax", "sigmoid", "log_softmax"]

_HEADS: dict[str, Head] = {"Softmax": "softmax", "Sigmoid": "sigmoid", "LogSoftmax": "log_softmax"}
_RESHAPING = {"Identity", "Cast", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "ZipMap", "Dropout"}
_QUANTISING = {"QuantizeLinear", "DequantizeLinear"}


@dataclass(frozen=True)
class Ending:
    """The kind of head, and the outputs of the nodes that stripping turns into copies of their input."""

    head: Head
    removed: frozenset[str] = frozenset()


def find_ending(nodes: Iterable[tuple[str, Sequence[str], Sequence[str]]], output: str) -> Ending:
    """Walk back from `output` over nodes that keep the order of the classes.

    `nodes` are triples of operator, inputs and outputs.
    """
    writer = {name: (kind, inputs) for kind, inputs, outputs in nodes for name in outputs[:1]}
    quantising: list[str] = []
    while output in writer:
        kind, inputs = writer[output]
        if kind in _HEADS:
            # The scale of a quantised softmax is 1/256; applied to logits it would destroy them.
            return Ending(_HEADS[kind], frozenset([output, *quantising]))
        if kind in _QUANTISING:
            quantising.append(output)
        elif kind not in _RESHAPING:
            break
        if not inputs:
            break
        output = inputs[0]
    return Ending("logits")


def strip(graph: Graph, ending: Ending) -> Graph:
    """The graph with the nodes of its ending turned into Identity."""
    nodes = tuple(
        replace(node, op_type="Identity", domain="", inputs=node.inputs[:1], attributes={})
        if ending.removed.intersection(node.outputs[:1])
        else node
        for node in graph.nodes
    )
    return replace(graph, nodes=nodes)
