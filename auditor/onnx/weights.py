"""Which constants of a graph are weights: what training may move, and what therefore is never computed in advance.

A weight is a float tensor of at least one dimension that the file stores, or that dequantisation makes of a
stored one. Left out is what only steers other operators: moving averages of a batch normalisation, scales and
zero points, bounds of Clip, initial states of recurrent layers, and whatever shapes are computed from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set

import torch

from auditor.onnx.graph import Graph
from auditor.onnx.node import Node

_SETTINGS = {
    "BatchNormalization": (3, 4),
    "QuantizeLinear": (1, 2),
    "DequantizeLinear": (1, 2),
    "Clip": (1, 2),
    "Dropout": (1,),
    "Pow": (1,),
    "STFT": (2,),
    "LSTM": (5, 6),
    "GRU": (5,),
    "RNN": (5,),
}
_QUANTISED = ("QLinear", "QGemm", "QAttention", "DynamicQuantize", "MatMulInteger", "ConvInteger")


def weight_names(graph: Graph) -> frozenset[str]:
    """Names of all weights that are stored; those of a subgraph as `node/attribute/name`, as a program hoists them."""
    return frozenset(_throughout(graph, weights_of))


def dequantised_names(graph: Graph) -> frozenset[str]:
    """Names of all tensors that dequantisation makes, written likewise."""
    return frozenset(_throughout(graph, lambda g: {n.outputs[0] for n in g.nodes if is_dequantisation(n)}))


def _throughout(graph: Graph, pick: Callable[[Graph], Set[str]], prefix: str = "") -> Iterator[str]:
    yield from (prefix + name for name in pick(graph))
    for node in graph.nodes:
        for key, inner in _subgraphs(node):
            yield from _throughout(inner, pick, f"{prefix}{node.name}/{key}/")


def weights_of(graph: Graph) -> frozenset[str]:
    """Names of the weights that this graph stores: initialisers, and values of Constant nodes."""
    stored = {name for name, value in graph.constants.items() if value.is_floating_point() and value.dim()}
    stored.update(node.outputs[0] for node in graph.nodes if _holds_weight(node))
    return frozenset(stored - _settings(graph))


def is_dequantisation(node: Node) -> bool:
    """Whether the node turns stored integers into floats; over a constant its output is a weight."""
    return node.op_type == "DequantizeLinear"


def _holds_weight(node: Node) -> bool:
    if node.op_type != "Constant" or node.domain:
        return False
    value = node.attributes.get("value")
    stored = isinstance(value, torch.Tensor) and value.is_floating_point() and value.dim() > 0
    return stored or "value_floats" in node.attributes


def _settings(graph: Graph, static: frozenset[str] = frozenset()) -> set[str]:
    """Names that steer operators, with all that these are computed from. `static` are captures without data."""
    fixed = {"", *graph.constants, *static}
    scales = {node.outputs[1] for node in graph.nodes if node.op_type == "DynamicQuantizeLinear"}
    settings: set[str] = set()
    computed: list[Node] = []
    for node in graph.nodes:
        measures = node.operator is not None and node.operator.shape_only
        if measures or (fixed.issuperset(node.inputs) and not any(_subgraphs(node))):
            fixed.update(node.outputs)
            computed += [] if measures else [node]
        settings |= set(node.inputs) if not scales.isdisjoint(node.inputs) else _steering(node, fixed)
    for node in reversed(computed):
        if not settings.isdisjoint(node.outputs):
            settings.update(node.inputs)
    return settings - {""}


def _steering(node: Node, fixed: set[str]) -> set[str]:
    """Inputs of the node that are settings by their position, or inside of its subgraphs."""
    if node.op_type.startswith(_QUANTISED):
        return set(node.inputs)
    positions = set(_SETTINGS.get(node.op_type, ())) | (node.operator.host if node.operator else frozenset())
    found = {name for i, name in enumerate(node.inputs) if i in positions and name in fixed}
    start = len(node.inputs) - sum(len(inner.captures) for _, inner in _subgraphs(node))
    for _, inner in _subgraphs(node):
        outer = dict(zip(inner.captures, node.inputs[start:], strict=False))
        start += len(outer)
        inside = _settings(inner, frozenset(name for name, source in outer.items() if source in fixed))
        found.update(source for name, source in outer.items() if name in inside)
    return found


def _subgraphs(node: Node) -> list[tuple[str, Graph]]:
    return [(key, value) for key, value in node.attributes.items() if isinstance(value, Graph)]
