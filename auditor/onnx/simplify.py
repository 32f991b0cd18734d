"""Passes over a graph before it runs: aliases, dead nodes, constant folding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from auditor.errors import ModelError
from auditor.onnx.graph import Graph
from auditor.onnx.node import Node
from auditor.onnx.weights import is_dequantisation, weights_of


def simplify(graph: Graph) -> Graph:
    """An equal graph without copies, without nodes that no output needs, and with constants computed."""
    return fold_constants(remove_dead(resolve_aliases(graph)))


def resolve_aliases(graph: Graph) -> Graph:
    """Let the readers of a mere copy (Identity, Dropout at inference) read the original."""
    alias: dict[str, str] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        inputs = tuple(alias.get(name, name) for name in node.inputs)
        if _is_copy(node):
            alias[node.outputs[0]] = inputs[0]
        else:
            nodes.append(replace(node, inputs=inputs))
    outputs = tuple(alias.get(name, name) for name in graph.outputs)
    return replace(graph, nodes=tuple(nodes), outputs=outputs)


def _is_copy(node: Node) -> bool:
    if node.domain == "ai.onnx.ml":
        return node.op_type == "ZipMap"  # only labels the columns of its input
    if node.domain or not node.has_input(0):
        return False
    # From opset 12 on Dropout may be told to train; such a node is left to the operator, which looks.
    inert_dropout = node.op_type == "Dropout" and not node.has_output(1) and not node.has_input(2)
    return node.op_type == "Identity" or inert_dropout


def remove_dead(graph: Graph) -> Graph:
    """Drop nodes and constants that no output depends on."""
    needed = set(graph.outputs)
    nodes: list[Node] = []
    for node in reversed(graph.nodes):
        if not needed.isdisjoint(name for name in node.outputs if name):
            nodes.append(node)
            needed.update(node.inputs)
    constants = {name: value for name, value in graph.constants.items() if name in needed}
    return replace(graph, nodes=tuple(reversed(nodes)), constants=constants)


def fold_constants(graph: Graph) -> Graph:
    """Compute every node whose inputs are all constant; its outputs become constants themselves.

    What reads a weight is left to every call: its result would be a second parameter, which training moves
    away from the first, and which has no place in the file. Nearly all of it are views (Transpose, Reshape).
    """
    constants = dict(graph.constants)
    weights = set(weights_of(graph))
    nodes: list[Node] = []
    for node in graph.nodes:
        # Subgraphs are compiled later; a node that has one waits for the plan.
        nested = any(isinstance(value, Graph) for value in node.attributes.values())
        measures = node.operator is not None and node.operator.shape_only
        moves = not measures and not weights.isdisjoint(node.inputs)
        if not nested and not moves and all(name in constants for name in node.inputs if name):
            values = [constants[name] if name else None for name in node.inputs]
            constants.update(zip(node.outputs, evaluate(node, values), strict=False))
            if is_dequantisation(node):
                weights.update(node.outputs)
        else:
            nodes.append(node)
    return remove_dead(replace(graph, nodes=tuple(nodes), constants=constants))


@torch.no_grad()
def evaluate(node: Node, values: Sequence[torch.Tensor | None]) -> tuple[torch.Tensor, ...]:
    """The node's outputs for inputs that are all known."""
    if node.operator is None:
        raise node.error("no such operator is registered")
    try:
        kernel = node.operator.build(node.with_known(tuple(values)))
        result = kernel(*(to_host(v) if i in node.operator.host else v for i, v in enumerate(values)))
    except ModelError:
        raise
    except Exception as error:  # whatever torch makes of a wrong graph
        raise node.error(f"cannot be computed: {error}") from error
    return result if isinstance(result, tuple) else (result,)


def to_host(value: torch.Tensor | None) -> object:
    """A list of Python numbers (a bare number for a scalar tensor); None stays None."""
    return None if value is None else value.tolist()
