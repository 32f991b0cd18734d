"""From protobuf to our own graph: nodes with parsed attributes, constants as tensors, functions inlined."""

from __future__ import annotations

import graphlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import onnx
import torch
from onnx import AttributeProto, TensorProto, inliner

import auditor.onnx.operators  # noqa: F401  (importing it registers the operators)
from auditor.errors import ModelError
from auditor.onnx.node import Node
from auditor.onnx.registry import StepFunction, UnsupportedOperator, canonical, find_operator
from auditor.onnx.tensors import NARROW, to_torch

MOST_NODES = 1_000_000
"""Nodes that the functions of a model may expand to."""

TREES = frozenset({"TreeEnsemble", "TreeEnsembleClassifier", "TreeEnsembleRegressor"})


@dataclass(frozen=True)
class Graph:
    """Nodes in execution order and what they read and write.

    `captures` are names of the enclosing graph. `texts` are constants of strings, such as names of classes, which are
    not kept: no score depends on them.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    constants: Mapping[str, torch.Tensor]
    captures: tuple[str, ...] = ()
    texts: frozenset[str] = frozenset()

    def walk(self) -> Iterator[Node]:
        """Every node, those of subgraphs included."""
        for node in self.nodes:
            yield node
            for value in node.attributes.values():
                if isinstance(value, Graph):
                    yield from value.walk()


def parse_graph(model: onnx.ModelProto) -> Graph:
    """The model's graph; operators that we lack but ONNX defines by others are expanded into those."""
    model = expand_functions(model)
    return _parse(model.graph, opsets_of(model))


def opsets_of(model: onnx.ModelProto) -> dict[str, int]:
    """Version of each operator set that the model imports, by domain."""
    return {canonical(entry.domain): entry.version for entry in model.opset_import}


def expand_functions(model: onnx.ModelProto) -> onnx.ModelProto:
    """Inline the model's own functions, then those that ONNX defines for operators that nobody registered."""
    _refuse_explosion(model)
    try:
        if model.functions:
            model = inliner.inline_local_functions(model)
    except Exception as error:  # onnx raises bare RuntimeErrors of its C++ side
        raise ModelError(f"The functions of the model cannot be expanded: {error}.") from error
    opsets = opsets_of(model)
    missing = {(n.domain, n.op_type) for n in all_nodes(model.graph) if not _known(n, opsets)}
    expandable = [key for key in sorted(missing) if _has_function(*key, opsets)]
    if not expandable:
        return model
    try:
        typed = _with_types(model)
        return inliner.inline_selected_functions(typed, expandable, inline_schema_functions=True)
    except Exception:  # the expansion of some operators needs types that the file does not tell
        return model  # they are reported as unknown, by name


def _refuse_explosion(model: onnx.ModelProto) -> None:
    """A few functions that call each other twice make a graph that fills any memory: count before expanding."""
    bodies = {(canonical(f.domain), f.name, f.overload): f.node for f in model.functions}
    sizes: dict[tuple[str, str, str], int] = {}

    def size(node: onnx.NodeProto) -> int:
        key = (canonical(node.domain), node.op_type, node.overload)
        if key not in bodies:
            return 1
        if key not in sizes:
            sizes[key] = 1  # a cycle is the inliner's to refuse
            sizes[key] = sum(map(size, bodies[key]))
        return sizes[key]

    try:
        total = sum(size(node) for node in all_nodes(model.graph))
    except RecursionError:
        total = MOST_NODES + 1
    if model.functions and total > MOST_NODES:
        raise ModelError(f"The functions of the model expand to more than {MOST_NODES:,} nodes, which no network has.")


def _with_types(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that tells the type of every value, which the definition of some operators depends on."""
    typed = onnx.shape_inference.infer_shapes(model)
    values = typed.graph.value_info
    for tensor in typed.graph.initializer:
        values.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    # The inliner looks up the empty name too, where a node leaves out an optional input.
    values.append(onnx.helper.make_tensor_value_info("", TensorProto.FLOAT, None))
    return typed


def all_nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Every node of a protobuf graph, those of subgraphs included."""
    for node in graph.node:
        yield from _with_inner(node)


def _with_inner(node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    yield node
    for attribute in node.attribute:
        for subgraph in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
            yield from all_nodes(subgraph)


def all_tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every tensor that a model stores: initialisers and attributes, those of subgraphs and functions included."""
    yield from model.graph.initializer
    bodies = [node for function in model.functions for node in function.node]
    for node in (*all_nodes(model.graph), *(inner for body in bodies for inner in _with_inner(body))):
        for attribute in node.attribute:
            yield from attribute.tensors
            if attribute.HasField("t"):
                yield attribute.t
            for graph in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from graph.initializer


def _known(node: onnx.NodeProto, opsets: Mapping[str, int]) -> bool:
    return find_operator(node.op_type, node.domain, opsets.get(canonical(node.domain), 1)) is not None


def _has_function(domain: str, name: str, opsets: Mapping[str, int]) -> bool:
    try:
        schema = onnx.defs.get_schema(name, opsets.get(canonical(domain), 1), canonical(domain))
    except onnx.defs.SchemaError:
        return False
    return bool(schema.has_function or schema.has_context_dependent_function)  # type: ignore[attr-defined]


def unsupported_nodes(model: onnx.ModelProto) -> tuple[str, ...]:
    """Each unknown operator once, with its domain, opset and the first node that uses it."""
    opsets = opsets_of(model)
    unknown = (node for node in all_nodes(model.graph) if not _known(node, opsets))
    return _describe((n.op_type, n.domain, opsets.get(canonical(n.domain), 1), n.name) for n in unknown)


def _describe(unknown: Iterable[tuple[str, str, int, str]]) -> tuple[str, ...]:
    first: dict[tuple[str, str], str] = {}
    for op_type, domain, opset, name in unknown:
        text = f"{op_type} (domain {domain or 'ai.onnx'}, opset {opset}, node {name!r})"
        first.setdefault((op_type, domain), text)
    return tuple(first.values())


def require_known(graph: Graph) -> None:
    """Raise UnsupportedOperator, naming all of them, if a node's operator is not registered."""
    unknown = [node for node in graph.walk() if node.operator is None]
    if not unknown:
        _require_no_text(graph)
        return
    if trees := sorted({node.op_type for node in unknown} & TREES):
        raise StepFunction(
            f"The model has no differentiable twin: it holds decision trees ({', '.join(trees)}), which are step "
            "functions, and no gradient exists that would show a way."
        )
    names = _describe((node.op_type, node.domain, node.opset, node.name) for node in unknown)
    raise UnsupportedOperator(
        f"The model has no differentiable twin: {len(names)} operator(s) are unknown: {'; '.join(names)}. "
        "Register them with auditor.onnx.operator, or rely on black-box attacks."
    )


def _require_no_text(graph: Graph) -> None:
    for node in graph.nodes:
        if read := sorted(graph.texts.intersection(node.inputs)):
            raise UnsupportedOperator(f"{node} computes with the texts {read[0]!r}, and gradients are of numbers.")
        for value in node.attributes.values():
            if isinstance(value, Graph):
                _require_no_text(value)


def _parse(proto: onnx.GraphProto, opsets: Mapping[str, int]) -> Graph:
    if proto.sparse_initializer:
        raise ModelError("The model stores sparse weights, which the twin cannot read; store them dense.")
    texts = frozenset(tensor.name for tensor in proto.initializer if tensor.data_type == TensorProto.STRING)
    constants = {tensor.name: to_torch(tensor) for tensor in proto.initializer if tensor.name not in texts}
    narrow = _narrow_types(proto)
    nodes = tuple(_parse_node(node, index, opsets, narrow) for index, node in enumerate(proto.node))
    graph = Graph(
        _in_order(nodes),
        tuple(value.name for value in proto.input if value.name not in constants and value.name not in texts),
        tuple(value.name for value in proto.output),
        constants,
        texts=texts,
    )
    return replace(graph, captures=_free_names(graph))


def _in_order(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """Every node behind those that it reads from. ONNX asks for it, ONNX Runtime does not, and so some tools do not.

    Nodes of a cycle keep their order.
    """
    waiting = {name: index for index, node in enumerate(nodes) for name in node.outputs if name}
    if all(waiting.get(name, -1) < index for index, node in enumerate(nodes) for name in node.inputs):
        return nodes
    writers = [{waiting[name] for name in node.inputs if name in waiting} for node in nodes]
    sorter = graphlib.TopologicalSorter(dict(enumerate(writers)))
    try:
        return tuple(nodes[index] for index in sorter.static_order())
    except graphlib.CycleError:
        return nodes


def _narrow_types(proto: onnx.GraphProto) -> dict[str, int]:
    """Types of the values of four bits, which are held in eight and so no longer tell."""
    narrow = {tensor.name: tensor.data_type for tensor in proto.initializer if tensor.data_type in NARROW}
    for value in (*proto.input, *proto.value_info):
        if value.type.tensor_type.elem_type in NARROW:
            narrow[value.name] = value.type.tensor_type.elem_type
    return narrow


def _free_names(graph: Graph) -> tuple[str, ...]:
    """Names that the graph reads and does not write, in order of first use; checks order, and that none has two."""
    defined = {"", *graph.inputs, *graph.constants, *graph.texts}
    later = {name for node in graph.nodes for name in node.outputs}
    free: dict[str, None] = {}
    for node in graph.nodes:
        for name in node.inputs:
            if name not in defined:
                if name in later:
                    raise node.error(f"reads {name!r} before any node has written it")
                free[name] = None
        if twice := defined.intersection(node.outputs) - {""}:
            raise node.error(f"writes {min(twice)!r}, which is written or given already")
        defined.update(node.outputs)
    free.update((name, None) for name in graph.outputs if name not in defined)
    return tuple(free)


def _parse_node(proto: onnx.NodeProto, index: int, opsets: Mapping[str, int], narrow: Mapping[str, int]) -> Node:
    opset = opsets.get(canonical(proto.domain), 1)
    attributes = {item.name: _parse_attribute(item, opsets) for item in proto.attribute}
    if proto.op_type == "QuantizeLinear" and len(proto.input) > 2 and proto.input[2] in narrow:
        attributes["output_dtype"] = narrow[proto.input[2]]
    captured = [name for value in attributes.values() if isinstance(value, Graph) for name in value.captures]
    return Node(
        op_type=proto.op_type,
        domain=canonical(proto.domain),
        name=proto.name or f"#{index}",
        opset=opset,
        inputs=(*proto.input, *captured),
        outputs=tuple(proto.output),
        attributes=attributes,
        operator=find_operator(proto.op_type, proto.domain, opset),
    )


def _parse_attribute(proto: onnx.AttributeProto, opsets: Mapping[str, int]) -> Any:
    if proto.type == AttributeProto.GRAPH:
        return _parse(proto.g, opsets)
    if proto.type == AttributeProto.TENSOR:
        return to_torch(proto.t)
    value = onnx.helper.get_attribute_value(proto)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return list(value) if proto.type in (AttributeProto.INTS, AttributeProto.FLOATS) else value


def count_operators(model: onnx.ModelProto) -> Counter[str]:
    """How often each operator occurs; those of other domains as `domain::Name`."""
    return Counter(
        f"{canonical(node.domain)}::{node.op_type}" if canonical(node.domain) else node.op_type
        for node in all_nodes(model.graph)
    )
