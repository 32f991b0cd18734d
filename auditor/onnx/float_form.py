"""The float form of a quantised graph: the same network without its integers, for training and for reading.

Integers cannot be trained. The float form computes with real numbers what the quantised graph computes with
whole ones, but for the rounding: dequantised weights become float initialisers, and a quantiser becomes a Clip
to the range that it could represent. A mere copy would be wrong, since quantising tools leave out a Relu where
the range of the quantiser behind it begins at zero.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, MutableSequence
from pathlib import Path
from typing import Any

import onnx
from onnx import inliner

from auditor.errors import ModelError
from auditor.onnx.files import read_model
from auditor.onnx.float_dynamic import DYNAMIC, scale_product
from auditor.onnx.float_moving import carry
from auditor.onnx.float_operators import STATIC
from auditor.onnx.graph import all_nodes, opsets_of
from auditor.onnx.rewriting import Scope, subgraphs

_QUANTISED = ("QuantizeLinear", "DequantizeLinear", "QLinear", "QGemm", "QAttention", "QEmbedLayer", "DynamicQuantize")
_REWRITES = STATIC | DYNAMIC
_INTEGER = ("MatMulInteger", "ConvInteger")
_COPIES = ("Constant", "Identity")
_PORTS = {
    "Identity": (1, 1),
    "QuantizeLinear": (2, 1),
    "DequantizeLinear": (2, 1),
    "QLinearConv": (8, 1),
    "QLinearMatMul": (8, 1),
    "QGemm": (6, 1),
    "QLinearAdd": (7, 1),
    "QLinearMul": (7, 1),
    "QLinearSigmoid": (4, 1),
    "QLinearLeakyRelu": (4, 1),
    "QLinearSoftmax": (4, 1),
    "QLinearAveragePool": (4, 1),
    "QLinearGlobalAveragePool": (4, 1),
    "QLinearConcat": (5, 1),
    "QLinearWhere": (9, 1),
    "DynamicQuantizeLinear": (1, 3),
    "MatMulInteger": (2, 1),
    "ConvInteger": (2, 1),
    "MatMulIntegerToFloat": (4, 1),
    "DynamicQuantizeMatMul": (3, 1),
    "DynamicQuantizeLSTM": (12, 1),
}
"""How many inputs and outputs a node must have at least."""


def is_quantised(model: onnx.ModelProto) -> bool:
    """Whether a node of the graph or of its functions quantises, dequantises or multiplies integers."""
    functions = (node for function in model.functions for node in function.node)
    return any(map(_quantises, (*all_nodes(model.graph), *functions)))


def float_form(source: Path | str | onnx.ModelProto) -> onnx.ModelProto:
    """A new model that answers, within a few quanta, what the quantised `source` answers, with float weights.

    QDQ pairs, the QLinear operators and dynamic quantisation are rewritten. Inputs, outputs, opsets, metadata
    and all other nodes stay, and a weight that DequantizeLinear made keeps the name of that node's output.
    The quantiser of a graph input clips half a quantum further out, which rounding would have brought back:
    so the gradient of inputs at the ends of the range, black and white, is not cut off.
    Raises ModelError, naming the node, where something has no float form.
    """
    model = onnx.ModelProto()
    model.CopyFrom(read_model(source))
    if any(_quantises(node) for function in model.functions for node in function.node):
        try:
            model = inliner.inline_local_functions(model)
        except Exception as error:  # onnx raises bare RuntimeErrors of its C++ side
            raise ModelError(f"The functions of the model cannot be expanded: {error}.") from error
    _rewrite(Scope(model.graph, opsets_of(model).get("", 1), ir_version=model.ir_version))
    return model


def _quantises(node: onnx.NodeProto) -> bool:
    return node.op_type.startswith(_QUANTISED + _INTEGER)


def _rewrite(scope: Scope) -> None:
    """Rewrite the graph of a scope in place, and those inside of it."""
    graph = scope.graph
    before = set(_read_names(graph))
    for node in graph.node:
        _require_ports(scope, node)
    for index, original in enumerate(graph.node):
        node = scope.renamed(original)
        if any(subgraphs(node)):
            node.name = node.name or f"#{index}"  # a twin calls it so, and its weights after it
        if node.op_type in _REWRITES:
            _REWRITES[node.op_type](scope, node)
            continue
        if _quantises(node):
            raise scope.error(node, "is an operator that only works on integers")
        if scale_product(scope, node):
            continue
        carry(scope, node)
        for inner in subgraphs(node):
            _rewrite(Scope(inner, scope.opset, ir_version=scope.ir_version, outer=scope))
        scope.nodes.append(node)
    scope.finish()
    _sweep(graph, before)


def _require_ports(scope: Scope, node: onnx.NodeProto) -> None:
    inputs, outputs = _PORTS.get(node.op_type, (0, 1))
    if len(node.input) < inputs or len(node.output) < outputs:
        raise scope.error(
            node, f"has {len(node.input)} inputs and {len(node.output)} outputs, where it needs {inputs} and {outputs}"
        )


def _read_names(graph: onnx.GraphProto) -> Iterator[str]:
    """What the graph and those inside of it read."""
    yield from (value.name for value in graph.output)
    for node in graph.node:
        yield from node.input
        for inner in subgraphs(node):
            yield from _read_names(inner)


def _sweep(graph: onnx.GraphProto, before: set[str]) -> None:
    """Take out constants that only the quantisation read, and types of what is no longer there."""
    readers = Counter(_read_names(graph))
    copies = {node.output[0]: node.input for node in graph.node if node.op_type in _COPIES}
    found = [name for name in before if not readers[name]]
    for name in found:  # grows: what nobody but an idle copy reads is idle too
        for read in copies.get(name, ()):
            readers[read] -= 1
            found += [] if readers[read] else [read]
    idle = set(found)
    kept = [node for node in graph.node if node.op_type not in _COPIES or node.output[0] not in idle]
    del graph.node[:]
    graph.node.extend(kept)
    _remove(graph.input, idle & {tensor.name for tensor in graph.initializer})
    _remove(graph.initializer, idle)
    written = {name for node in graph.node for name in node.output}
    _remove(graph.value_info, {value.name for value in graph.value_info} - written)
    del graph.quantization_annotation[:]


def _remove(entries: MutableSequence[Any], names: set[str]) -> None:
    for i in reversed([i for i, entry in enumerate(entries) if entry.name in names]):
        del entries[i]
