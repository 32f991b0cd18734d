"""Nodes between quantised operators that only move numbers about: they go on with floats."""

from __future__ import annotations

import torch
from onnx import AttributeProto, NodeProto, TensorProto

from auditor.onnx.rewriting import Real, Scope

_FIRST = {"MaxPool", "Dropout"}
"""Of these only the first output has the values of the input."""
_MOVING = {
    *("Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Slice", "Gather", "GatherElements", "GatherND"),
    *("Expand", "Tile", "Identity", "Split", "DepthToSpace", "SpaceToDepth", "Resize", "Upsample", "Pad"),
    *("ReduceMax", "ReduceMin", *_FIRST),
}
_JOINING = {"Concat", "Max", "Min"}


def carry(scope: Scope, node: NodeProto) -> None:
    """Let a node that only moves numbers about, or does not touch integers, go on with floats. Changes the node."""
    if _remember(scope, node):
        return
    if node.op_type in _MOVING and node.input and node.input[0] in scope.constants:
        _dequantise_early(scope, node)
    touched = [i for i, name in enumerate(node.input) if name in scope.real]
    unscaled = [name for name in node.input if name in scope.products or name in scope.factors]
    if unscaled:
        raise scope.error(node, f"reads {unscaled[0]!r}, which only multiplications by scales may read")
    if not touched:
        return
    first = scope.real[node.input[touched[0]]]
    for i in touched:
        known = scope.real[node.input[i]]
        if not (scope.same(known.scale, first.scale) and scope.same(known.zero, first.zero)):
            raise scope.error(node, "joins integers of different scales")
    moved = node.op_type in _MOVING and touched == [0]
    if node.op_type not in ("Shape", "Size") and not moved and not _joins(node, touched):
        raise scope.error(node, "computes with integers")
    if node.op_type == "Pad":
        _pad(scope, node, first)
    for i in touched:
        node.input[i] = scope.real[node.input[i]].name
    if node.op_type in ("Shape", "Size"):
        return
    for i, name in enumerate(node.output[:1] if node.op_type in _FIRST else node.output):
        node.output[i] = scope.fresh(f"{name}_float")
        scope.real[name] = Real(node.output[i], first.scale, first.zero)


def _joins(node: NodeProto, touched: list[int]) -> bool:
    return node.op_type in _JOINING and len(touched) == len(node.input)


def _remember(scope: Scope, node: NodeProto) -> bool:
    """Whether the node is a constant, or a copy of one: known by now, and as it is."""
    if node.op_type == "Constant":
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR:
                scope.know(node.output[0], attribute.t)
        return True
    if node.op_type != "Identity" or node.input[0] not in scope.constants:
        return False
    scope.constants[node.output[0]] = scope.constants[node.input[0]]
    scope.types[node.output[0]] = scope.types[node.input[0]]
    return True


def _dequantise_early(scope: Scope, node: NodeProto) -> None:
    """Integers of an embedding are dequantised behind the look-up; as floats they are before it."""
    name, integers = node.input[0], (TensorProto.INT8, TensorProto.UINT8, TensorProto.INT4, TensorProto.UINT4)
    if scope.types[name] not in integers:
        return
    reader = _dequantisation_behind(scope, node.output[0])
    if reader is not None:
        scale, zero = (*reader.input, "")[1:3]
        if scope.constant(node, scale).numel() != 1:
            raise scope.error(node, "moves integers that have a scale for each channel")
        scope.real[name] = Real(scope.weight(node, name, scale, zero, None), scale, zero)


def _dequantisation_behind(scope: Scope, name: str) -> NodeProto | None:
    reader, passed = scope.readers.get(name), {name}
    while reader is not None and reader.op_type in _MOVING and reader.output[0] not in passed:
        passed.add(reader.output[0])
        reader = scope.readers.get(reader.output[0])
    return reader if reader is not None and reader.op_type == "DequantizeLinear" else None


def _pad(scope: Scope, node: NodeProto, known: Real) -> None:
    """Pad writes an integer, zero unless told otherwise, which stands for a float."""
    if _text(node, "mode", "constant") != "constant":
        return
    fill = (*node.input, "", "")[2]
    q = scope.constant(node, fill) if fill else torch.zeros(())
    shift = scope.constant(node, known.zero).reshape(()) if known.zero else torch.zeros(())
    scale = scope.constant(node, known.scale).reshape(())
    value = (q.reshape(()).to(scale.dtype) - shift.to(scale.dtype)) * scale
    rest = list(node.input[3:])
    node.input[:] = [*node.input[:2], scope.store(value, scope.fresh(f"{node.output[0]}_fill")), *rest]


def _text(node: NodeProto, name: str, default: str) -> str:
    return next((attribute.s.decode() for attribute in node.attribute if attribute.name == name), default)
