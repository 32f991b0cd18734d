"""Running a graph. What depends on the shapes of its inputs alone is computed once for them, not once per call.

The first call with new input shapes walks the graph node by node and writes down a plan: the kernels that
touch data, in order, with everything that shapes decide (targets of Reshape, ends of Slice, ...) already
turned into numbers. Later calls with these shapes run the plan: a flat function of kernels over numbered slots. A graph
in which nothing asks for a shape has one plan for all of them, so that a batch may grow and shrink at no price.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch._compile import _disable_dynamo

from auditor.errors import ModelError
from auditor.onnx.graph import Graph
from auditor.onnx.node import Node
from auditor.onnx.registry import Kernel
from auditor.onnx.simplify import evaluate, simplify, to_host

KEPT_PLANS = 16
"""Plans kept at once of a graph in which something asks for a shape."""

Plan = Callable[[Sequence[Any]], tuple[Any, ...]]
"""From the program's inputs and state to the graph's outputs."""


@dataclass(frozen=True)
class Step:
    """One kernel with the slots that it reads, writes and is the last to read. `several`: it returns a tuple."""

    kernel: Kernel
    arguments: tuple[int, ...]
    targets: tuple[int, ...]
    spent: tuple[int, ...]
    several: bool


def assemble(inputs: int, constants: Mapping[int, Any], steps: Sequence[Step], outputs: Sequence[int]) -> Plan:
    """All steps as one Python function over numbered values: slot 0 is None, then the inputs, then all others.

    Written out and not interpreted, because `torch.compile` keeps what it learns by code object: of a loop shared by
    all plans it would conclude that nothing about them is constant. Only numbers of slots get into the text.
    """
    scope = {f"v{slot}": value for slot, value in constants.items()} | {"v0": None}
    lines = ["def plan(values):", f"    [{', '.join(f'v{i}' for i in range(1, inputs + 1))}] = values"]
    for number, step in enumerate(steps):
        scope[f"k{number}"] = step.kernel
        targets = "".join(f"v{i}, " for i in step.targets) if step.several else f"v{step.targets[0]} "
        part = f"[:{len(step.targets)}]" if step.several else ""
        lines.append(f"    {targets}= k{number}({', '.join(f'v{i}' for i in step.arguments)}){part}")
        lines += [f"    v{i} = None" for i in step.spent]
    lines.append(f"    return ({''.join(f'v{i}, ' for i in outputs)})")
    exec("\n".join(lines), scope)  # noqa: S102  (nothing of the file is in it)
    plan: Plan = scope["plan"]
    return plan


class Program:
    """A graph that can be called. Its tensors of weight are not kept here but handed in as `state`."""

    def __init__(self, graph: Graph) -> None:
        graph = simplify(graph)
        nodes, hoisted = _compile_subgraphs(graph)
        constants = {**graph.constants, **hoisted}
        self.nodes = nodes
        self.graph_inputs = graph.inputs
        self.outputs = graph.outputs
        self.state = {name: value for name, value in constants.items() if _is_state(value)}
        self.known = {name: value for name, value in constants.items() if _is_small(value)}
        self.inputs = (*graph.inputs, *graph.captures, *self.state)
        self._shaped = len(graph.inputs) + len(graph.captures)
        self._last_use = {name: i for i, node in enumerate(nodes) for name in node.inputs}
        self._plans: OrderedDict[tuple[object, ...], Plan] = OrderedDict()

    def __call__(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """Outputs for `values`, which follow `inputs`: the graph's own, the captured, then the state."""
        shaped = values[: self._shaped]
        plan = self._plans.get(tuple(map(_kind, shaped))) or self._plans.get(tuple(map(_signature, shaped)))
        if plan is None:
            return self._planned(values)
        try:
            return plan(values)
        except (ModelError, torch.OutOfMemoryError):
            raise
        except Exception:  # only a walk over the graph knows which node it was
            return self._planned(values)

    def _planned(self, values: Sequence[Any]) -> tuple[Any, ...]:
        # Asked first, since hiding from a compiler imports it, and that takes as long as importing PyTorch.
        return self._hidden(values) if torch.compiler.is_compiling() else self._first_run(values)

    # A compiler sees plans only: what is computed once needs real numbers, and would be compiled for nothing.
    @_disable_dynamo
    def _hidden(self, values: Sequence[Any]) -> tuple[Any, ...]:
        return self._first_run(values)

    def _first_run(self, values: Sequence[Any]) -> tuple[Any, ...]:
        tracer = _Tracer(self, values)
        outputs = tracer.trace()
        # A plan made inside torch.func.grad holds tensors of that transform; it must not outlive it.
        tensors = (value for value in tracer.static.values() if isinstance(value, torch.Tensor))
        if not any(map(torch._C._functorch.is_functorch_wrapped_tensor, tensors)):
            key = _signature if tracer.asks_for_shapes else _kind
            self._plans[tuple(map(key, values[: self._shaped]))] = tracer.plan()
            if len(self._plans) > KEPT_PLANS:
                self._plans.popitem(last=False)
        return outputs


@dataclass(frozen=True)
class Subgraph:
    """A node's inner graph: a program, and which of the node's inputs it captures."""

    program: Program
    captured: tuple[int, ...]

    def __call__(self, formal: Sequence[Any], arguments: Sequence[Any]) -> tuple[Any, ...]:
        """Outputs for the inner graph's own inputs, given all inputs of the node."""
        return self.program([*formal, *(arguments[i] for i in self.captured)])


def _compile_subgraphs(outer: Graph) -> tuple[list[Node], dict[str, torch.Tensor]]:
    """Turn the graphs in attributes into programs; their state becomes further inputs of the node."""
    compiled: list[Node] = []
    hoisted: dict[str, torch.Tensor] = {}
    taken = {*outer.inputs, *outer.captures, *outer.constants, *(name for node in outer.nodes for name in node.outputs)}
    for node in outer.nodes:
        inner = {key: value for key, value in node.attributes.items() if isinstance(value, Graph)}
        inputs = list(node.inputs)
        start = len(inputs) - sum(len(graph.captures) for graph in inner.values())
        attributes = dict(node.attributes)
        for key, graph in inner.items():
            program = Program(graph)
            names = {_free(f"{node.name}/{key}/{name}", taken): value for name, value in program.state.items()}
            taken.update(names)
            positions = (*range(start, start + len(graph.captures)), *range(len(inputs), len(inputs) + len(names)))
            start += len(graph.captures)
            inputs += names
            hoisted |= names
            attributes[key] = Subgraph(program, positions)
        compiled.append(replace(node, inputs=tuple(inputs), attributes=attributes) if inner else node)
    return compiled, hoisted


def _free(name: str, taken: Set[str]) -> str:
    """The name, with strokes behind it where the graph has another value of that name."""
    while name in taken:
        name += "'"
    return name


_SHAPE_FROM_DATA = frozenset({"NonZero", "Compress", "Unique", "NonMaxSuppression", "If", "Loop"})
"""Operators whose results may have another shape for other data of the same shape."""


class _Tracer:
    """One walk over the graph with real values, remembering what a plan needs."""

    def __init__(self, program: Program, values: Sequence[Any]) -> None:
        self.program = program
        self.static = dict(program.known)
        self.varying: set[str] = set()
        self.asks_for_shapes = False
        self.slots: list[Any] = [None, *values]
        self.constant: dict[int, Any] = {}
        self.slot_of = {"": 0, **{name: i for i, name in enumerate(program.inputs, start=1)}}
        self.steps: list[Step] = []
        tensors = (value for value in values if isinstance(value, torch.Tensor))
        self.device = next((tensor.device for tensor in tensors), torch.device("cpu"))

    def trace(self) -> tuple[Any, ...]:
        for index, node in enumerate(self.program.nodes):
            if all(name in self.static or not name for name in node.inputs):
                known = [self.static.get(name) for name in node.inputs]
                self.static.update(zip(node.outputs, evaluate(node, known), strict=False))
            elif node.operator is not None and node.operator.shape_only and node.inputs[0] not in self.varying:
                self.asks_for_shapes = True
                result = self._apply(node, self._kernel(node), [self._slot(node.inputs[0], node)])
                self.static[node.outputs[0]] = result
            else:
                self._step(index, node)
        return tuple(self.slots[i] for i in self._output_slots())

    def plan(self) -> Plan:
        return assemble(len(self.program.inputs), self.constant, self.steps, self._output_slots())

    def _output_slots(self) -> tuple[int, ...]:
        return tuple(self._slot(name) for name in self.program.outputs)

    def _step(self, index: int, node: Node) -> None:
        kernel = self._kernel(node)
        arguments: list[int] = []
        late: set[int] = set()
        for position, name in enumerate(node.inputs):
            host = node.operator is not None and position in node.operator.host and bool(name)
            if host and name in self.static:
                arguments.append(self._constant(to_host(self.static[name])))
                continue
            if host:
                late.add(position)
            arguments.append(self._slot(name, node))
        if late:
            kernel = _reading_late(kernel, frozenset(late))
        if late or node.op_type in _SHAPE_FROM_DATA or not self.varying.isdisjoint(node.inputs):
            self.varying.update(name for name in node.outputs if name)
        result = self._apply(node, kernel, arguments)
        results = result if isinstance(result, tuple) else (result,)
        targets = tuple(self._new(name, value) for name, value in zip(node.outputs, results, strict=False))
        unread = tuple(target for target, name in zip(targets, node.outputs, strict=False) if not name)
        spent = (*self._spent(index, node), *unread)
        self.steps.append(Step(kernel, tuple(arguments), targets, spent, isinstance(result, tuple)))

    def _kernel(self, node: Node) -> Kernel:
        if node.operator is None:
            raise node.error("no such operator is registered")
        try:
            return node.operator.build(node.with_known(tuple(self.static.get(name) for name in node.inputs)))
        except ModelError:
            raise
        except Exception as error:  # a damaged node lacks what its operator needs
            raise node.error(f"cannot be read: {type(error).__name__}: {error}") from error

    def _apply(self, node: Node, kernel: Kernel, arguments: Sequence[int]) -> Any:
        try:
            return kernel(*[self.slots[i] for i in arguments])
        except (ModelError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # whatever torch makes of shapes that do not fit
            raise node.error(f"failed: {error}") from error

    def _spent(self, index: int, node: Node) -> tuple[int, ...]:
        """Slots of values that no later node reads; they are released at once."""
        last_use, keep = self.program._last_use, set(self.program.outputs)
        names = {*node.inputs, *node.outputs} - {"", *keep}
        over = [n for n in names if last_use.get(n, -1) <= index and n in self.slot_of]
        spent = tuple(i for i in sorted(self.slot_of[n] for n in over) if i not in self.constant)
        for i in spent:
            self.slots[i] = None
        return spent

    def _slot(self, name: str, node: Node | None = None) -> int:
        if name in self.slot_of:
            return self.slot_of[name]
        if name not in self.static:
            where = f"{node}: reads" if node is not None else "The graph answers with"
            raise ModelError(f"{where} {name!r}, which nothing computes.")
        self.slot_of[name] = self._constant(_on(self.static[name], self.device))
        return self.slot_of[name]

    def _constant(self, value: Any) -> int:
        self.slots.append(value)
        self.constant[len(self.slots) - 1] = value
        return len(self.slots) - 1

    def _new(self, name: str, value: Any) -> int:
        """A slot for an output; one that the graph leaves unnamed keeps nothing, and is no input that is left out."""
        self.slots.append(value if name else None)
        if name:
            self.slot_of[name] = len(self.slots) - 1
        return len(self.slots) - 1


def _reading_late(kernel: Kernel, positions: frozenset[int]) -> Callable[..., Any]:
    """For host inputs that depend on the data: their elements are read in every call."""

    def run(*arguments: Any) -> Any:
        return kernel(*(to_host(a) if i in positions else a for i, a in enumerate(arguments)))

    return run


def _on(value: Any, device: torch.device) -> Any:
    if isinstance(value, list):
        return [_on(item, device) for item in value]
    return value.to(device) if isinstance(value, torch.Tensor) else value


def _signature(value: Any) -> object:
    if isinstance(value, list):  # a sequence: what its elements' shapes decide is planned as for tensors
        return tuple(map(_signature, value))
    return (value.shape, value.dtype, value.device) if isinstance(value, torch.Tensor) else type(value)


def _kind(value: Any) -> object:
    """As `_signature`, for any size of each dimension."""
    if isinstance(value, list):
        return tuple(map(_kind, value))
    return (value.dim(), value.dtype, value.device) if isinstance(value, torch.Tensor) else type(value)


def _is_small(value: Any) -> bool:
    """Small enough to be a shape, an index or a factor: may take part in computing shapes."""
    if not isinstance(value, torch.Tensor):
        return True  # a sequence, or an optional that is empty
    if value.is_floating_point():
        return value.dim() <= 1 and value.numel() <= 8
    return value.numel() <= 1024


def _is_state(value: Any) -> bool:
    """Weights: float tensors that are no mere scalars, and whatever is large."""
    return isinstance(value, torch.Tensor) and ((value.is_floating_point() and value.dim() > 0) or not _is_small(value))
