"""One graph on its way from integers to floats: what its names stand for by now, and its new nodes."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import onnx
import torch
from onnx import AttributeProto, NodeProto, TensorProto, helper

from auditor.errors import ModelError
from auditor.onnx.operators.quantisation import along, dequantise
from auditor.onnx.tensors import integer_range_of_type, to_torch, torch_dtype

_TYPES = {
    torch.float32: TensorProto.FLOAT,
    torch.float64: TensorProto.DOUBLE,
    torch.float16: TensorProto.FLOAT16,
    torch.bfloat16: TensorProto.BFLOAT16,
}


@dataclass(frozen=True)
class Real:
    """The float tensor `name` stands for integers q: its values are (q - zero) * scale, both given by name."""

    name: str
    scale: str
    zero: str


@dataclass(frozen=True)
class Product:
    """A node that multiplies integers, not written yet: its true result is still to be multiplied by `scales`."""

    node: NodeProto
    left: str | torch.Tensor
    right: str | torch.Tensor
    scales: tuple[str, ...]
    factor: torch.Tensor


@dataclass(frozen=True)
class Factor:
    """A product of scales that are known at run time only, and of a constant."""

    scales: tuple[str, ...]
    constant: torch.Tensor


def subgraphs(node: NodeProto) -> Iterator[onnx.GraphProto]:
    """The graphs in a node's attributes."""
    yield from (attribute.g for attribute in node.attribute if attribute.type == AttributeProto.GRAPH)


def names_in(graph: onnx.GraphProto) -> Iterator[str]:
    """Every name of a value or a node, subgraphs included."""
    yield from (value.name for value in (*graph.input, *graph.output))
    yield from (tensor.name for tensor in graph.initializer)
    for node in graph.node:
        yield from (node.name, *node.input, *node.output)
        for inner in subgraphs(node):
            yield from names_in(inner)


class Scope:
    """A graph being rewritten. Lookups go on in the enclosing scopes; what is added stays in this one."""

    def __init__(self, graph: onnx.GraphProto, opset: int, *, ir_version: int = 0, outer: Scope | None = None) -> None:
        self.graph = graph
        self.opset = opset
        self.ir_version = ir_version
        self.nodes: list[NodeProto] = []
        self.inputs = {value.name for value in graph.input}
        # Names in use, each with the least number that may still make it new.
        self.taken: dict[str, int] = outer.taken if outer else dict.fromkeys(names_in(graph), 1)
        self.constants: ChainMap[str, torch.Tensor] = outer.constants.new_child() if outer else ChainMap()
        self.types: ChainMap[str, int] = outer.types.new_child() if outer else ChainMap()
        self.renames: ChainMap[str, str] = outer.renames.new_child() if outer else ChainMap()
        self.real: ChainMap[str, Real] = outer.real.new_child() if outer else ChainMap()
        self.products: ChainMap[str, Product] = outer.products.new_child() if outer else ChainMap()
        self.factors: ChainMap[str, Factor] = outer.factors.new_child() if outer else ChainMap()
        self._weights: dict[tuple[object, ...], str] = {}
        for tensor in graph.initializer:
            self.know(tensor.name, tensor)

    @cached_property
    def readers(self) -> dict[str, NodeProto]:
        """The first node that reads a name as its first input."""
        return {node.input[0]: node for node in reversed(self.graph.node) if node.input}

    def know(self, name: str, tensor: TensorProto) -> None:
        """Take a stored tensor for a constant."""
        if tensor.data_type != TensorProto.STRING:
            self.constants[name] = to_torch(tensor)
            self.types[name] = tensor.data_type

    def renamed(self, node: NodeProto) -> NodeProto:
        """A copy of the node that reads what its inputs have become."""
        copy = NodeProto()
        copy.CopyFrom(node)
        copy.input[:] = [self.renames.get(name, name) for name in node.input]
        return copy

    def error(self, node: NodeProto, text: str) -> ModelError:
        """A ModelError that says at which node the float form ends."""
        where = f"node {node.name or ', '.join(node.output)!r} ({node.op_type})"
        return ModelError(f"The quantised graph has no float form: {where} {text}.")

    def constant(self, node: NodeProto, name: str) -> torch.Tensor:
        """The value of a name that must not depend on the input."""
        if name not in self.constants:
            raise self.error(node, f"reads {name!r}, which must be a constant")
        return self.constants[name]

    def fresh(self, wish: str) -> str:
        """A name that nobody has, `wish` if possible."""
        name, count = wish, self.taken.get(wish, 1)
        while name in self.taken:
            name, count = f"{wish}_{count}", count + 1
        self.taken[wish] = count
        self.taken.setdefault(name, 1)
        return name

    def store(self, value: torch.Tensor, name: str) -> str:
        """Add an initialiser; its name must be new, or that of a node that goes."""
        raw = value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        tensor = helper.make_tensor(name, _TYPES[value.dtype], list(value.shape), raw, raw=True)
        self.graph.initializer.append(tensor)
        if self.ir_version < 4:  # where every initialiser had to be an input as well
            self.graph.input.append(helper.make_tensor_value_info(name, tensor.data_type, tensor.dims))
        self.know(name, tensor)
        return name

    def add(
        self,
        like: NodeProto,
        op_type: str,
        inputs: Sequence[str],
        output: str,
        attributes: Iterable[AttributeProto] = (),
        **further: Any,
    ) -> str:
        """Append a node in place of `like`, named after it; returns `output`."""
        name = self.fresh(f"{like.name}_{op_type}") if like.name else ""
        node = helper.make_node(op_type, inputs, [output], name=name, doc_string=like.doc_string, **further)
        node.attribute.extend(attributes)
        self.nodes.append(node)
        return output

    def same(self, first: str, second: str) -> bool:
        """Whether two scales or zero points are equal; a zero point that is left out is zero."""
        if first == second:
            return True
        a, b = (self.constants.get(name) if name else torch.zeros(()) for name in (first, second))
        if a is None or b is None or a.numel() != b.numel():
            return False
        return bool((a.reshape(-1) == b.reshape(-1)).all())

    def operand(self, node: NodeProto, position: int, axis: int | None = None) -> str:
        """The float tensor for an input that its scale and zero point follow; constants are dequantised."""
        name, scale, zero = (*node.input[position : position + 3], "", "")[:3]
        known = self.real.get(name)
        if known is not None:
            if not (self.same(known.scale, scale) and self.same(known.zero, zero)):
                raise self.error(node, f"reads {name!r} with another scale than it was quantised with")
            return known.name
        if name in self.constants:
            return self.weight(node, name, scale, zero, axis)
        parts = [part for part in (name, scale, zero) if part]
        return self.add(node, "DequantizeLinear", parts, self.fresh(f"{name}_float"))

    def weight(self, node: NodeProto, name: str, scale: str, zero: str, axis: int | None) -> str:
        """An initialiser with the dequantised values of a constant, made once."""
        key = (name, scale, zero, axis)
        if key not in self._weights:
            value = self.dequantised(node, name, scale, zero, axis)
            self._weights[key] = self.store(value, self.fresh(f"{name}_float"))
        return self._weights[key]

    def dequantised(
        self, node: NodeProto, name: str, scale: str, zero: str, axis: int | None, block: int = 0
    ) -> torch.Tensor:
        """(q - zero) * scale; without an axis both are the same for the whole tensor."""
        q, factor = self.constant(node, name), self.constant(node, scale)
        shift = self.constant(node, zero) if zero else None
        side = 0 if axis is None else axis
        return dequantise(q, along(factor, q, side, block), None if shift is None else along(shift, q, side, block))

    def clip(self, node: NodeProto, x: str, scale: str, zero: str, q: str, *, margin: float = 0.0) -> None:
        """Let `q` stand for `x`, kept within what an integer with this scale and zero point can stand for."""
        step = self.constant(node, scale)
        shift = self.constant(node, zero) if zero else torch.zeros(())
        if step.numel() != 1 or shift.numel() != 1:
            raise self.error(node, "quantises activations with a scale for each channel")
        low, high = self._range(node, zero)
        ends = [((end - shift.double()) * step.double()).reshape(()) for end in (low - margin, high + margin)]
        name = self.fresh(f"{q}_float")
        if self.opset < 11:
            self.add(node, "Clip", [x], name, min=float(ends[0]), max=float(ends[1]))
        else:
            bounds = [
                self.store(end.to(step.dtype), self.fresh(f"{q}_{side}"))
                for end, side in zip(ends, ("min", "max"), strict=True)
            ]
            self.add(node, "Clip", [x, *bounds], name)
        self.real[q] = Real(name, scale, zero)

    def _range(self, node: NodeProto, zero: str) -> tuple[float, float]:
        declared = next((a.i for a in node.attribute if a.name == "output_dtype"), 0)
        element = self.types[zero] if zero else declared or TensorProto.UINT8
        if element in (TensorProto.INT4, TensorProto.UINT4) or not torch_dtype(element).is_floating_point:
            return integer_range_of_type(element)
        limit = torch.finfo(torch_dtype(element)).max
        return -limit, limit

    def finish(self) -> None:
        """Give the graph's outputs their own names and types back, and the graph its new nodes."""
        for value in self.graph.output:
            name = value.name
            if name in self.real:
                known = self.real[name]
                inputs = [part for part in (known.name, known.scale, known.zero) if part]
                self.nodes.append(helper.make_node("QuantizeLinear", inputs, [name]))
            elif name in self.renames:
                self.nodes.append(helper.make_node("Identity", [self.renames[name]], [name]))
        del self.graph.node[:]
        self.graph.node.extend(self.nodes)
