"""The first node at which the twin and ONNX Runtime part ways, found by bisecting the graph.

Cut behind node `k`, a graph answers with whatever crosses the cut: the values that nodes up to `k` write and later ones
read. Once one of them differs, later cuts differ too, so the first cut that does is found in about log2(n) steps, each
one session. All that crosses the cut before it agrees, and with it whatever the node there reads: the node is at fault.

ONNX Runtime runs without its optimisations here, since a node that it has fused away has no value to compare.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch

from auditor.errors import ModelError
from auditor.onnx.files import read_model
from auditor.onnx.graph import Graph, expand_functions, parse_graph, require_known
from auditor.onnx.inspection import first_float, graph_inputs, inspect_graph, tensor_info
from auditor.onnx.program import Program

if TYPE_CHECKING:
    import onnxruntime

    from auditor.onnx.node import Node

TOLERANCE = 1e-4
"""Largest difference of a value that still agrees, as a share of its range: rounding adds up to a tenth of that."""

TOLERANCE_QUANTISED = 0.05
"""The same in a quantised graph, where roundings fall either way by whole steps."""

_LARGEST = 2**31 - 2**20  # bytes that protobuf can write


@dataclass(frozen=True)
class Difference:
    """A node whose output differs between ONNX Runtime and the twin although its inputs agree.

    Attributes:
        node: its name, or `#7` for the seventh without one.
        op_type: its operator, with the domain where that is not ONNX's own.
        output: the value that differs.
        difference: largest difference; infinite where shapes differ or only one of the two is finite.
        scale: range of the value in ONNX Runtime.
    """

    node: str
    op_type: str
    output: str
    difference: float
    scale: float

    def __str__(self) -> str:
        return (
            f"The first node that differs is {self.node!r} ({self.op_type}): its inputs agree, and its output "
            f"{self.output!r} is {self.difference:.3g} apart at a range of {self.scale:.3g}."
        )


def first_difference(
    source: Path | str | onnx.ModelProto,
    feeds: Mapping[str, torch.Tensor],
    *,
    output: str | None = None,
    tolerance: float | None = None,
) -> Difference | None:
    """The first node, in the order of the graph, at which the twin goes wrong.

    None where nothing differs without ONNX Runtime's optimisations: what is wrong then is no node's value (a gradient,
    say). Nodes inside of branches and loops count as the node that holds them.

    Args:
        source: as for `load_twin`.
        feeds: `(N, …)` for each input of the graph, by name; rows are repeated or cut to the batch that it declares.
        output: the graph's output to explain; the default is the first of a floating type.
        tolerance: share of a value's range by which it may differ; the default depends on quantisation.

    Raises:
        ModelError: the graph cannot be read, or one of the two does not run it.
    """
    model = expand_functions(read_model(source))
    if tolerance is None:
        tolerance = TOLERANCE_QUANTISED if inspect_graph(model).quantised else TOLERANCE
    name = output or first_float(tuple(map(tensor_info, model.graph.output))).name
    graph = replace(parse_graph(model), outputs=(name,))
    require_known(graph)
    bisection = _Bisection(model, graph, _fitting(model, feeds), tolerance)
    low, high = -1, len(bisection.order) - 1
    found = bisection.differing(high)
    if found is None:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        earlier = bisection.differing(middle)
        if earlier is None:
            low = middle
        else:
            high, found = middle, earlier
    return found


def _fitting(model: onnx.ModelProto, feeds: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    inputs = graph_inputs(model.graph)
    if feeds.keys() != {entry.name for entry in inputs}:
        raise ModelError(f"The graph's inputs are {', '.join(i.name for i in inputs)}; give each of them.")
    return {entry.name: _rows(feeds[entry.name].detach().cpu(), entry.shape) for entry in inputs}


def _rows(value: torch.Tensor, shape: tuple[int | None, ...]) -> torch.Tensor:
    """As many rows as the graph declares, where it does."""
    rows = shape[0] if shape else None
    return value if rows is None or not value.dim() else value[torch.arange(rows) % len(value)]


class _Bisection:
    """A graph that can be cut behind each of its nodes, those that the output needs."""

    def __init__(
        self, model: onnx.ModelProto, graph: Graph, feeds: Mapping[str, torch.Tensor], tolerance: float
    ) -> None:
        self.model, self.graph, self.tolerance = model, graph, tolerance
        self.feeds = feeds
        self.order = _needed(graph)
        self.protos = {tuple(node.output): node for node in model.graph.node}
        self.last_use = {name: k for k, i in enumerate(self.order) for name in graph.nodes[i].inputs}
        self.last_use |= {name: len(self.order) for name in graph.outputs}

    def differing(self, k: int) -> Difference | None:
        """What differs most of the values that cross the cut behind the node at place `k`; None if nothing does."""
        names = self._crossing(k)
        expected = self._runtime(k, names)
        found = self._twin(k, names)
        worst: tuple[float, Difference] | None = None
        for name in names:
            difference, scale = _distance(expected[name], found[name])
            share = difference / scale
            if share > self.tolerance and (worst is None or share > worst[0]):
                worst = share, self._named(name, k, difference, scale)
        return None if worst is None else worst[1]

    def _crossing(self, k: int) -> list[str]:
        kept = [self.graph.nodes[i] for i in self.order[: k + 1]]
        written = (name for node in kept if node.op_type != "Constant" for name in node.outputs if name)
        return [name for name in written if self.last_use.get(name, -1) > k]

    def _runtime(self, k: int, names: Sequence[str]) -> dict[str, Any]:
        cut = onnx.ModelProto()
        cut.ir_version = self.model.ir_version
        cut.opset_import.extend(self.model.opset_import)
        whole = self.model.graph
        cut.graph.name = whole.name
        cut.graph.input.extend(whole.input)
        cut.graph.node.extend(self.protos[self.graph.nodes[i].outputs] for i in self.order[: k + 1])
        read = {name for i in self.order[: k + 1] for name in self.graph.nodes[i].inputs}
        declared = {value.name for value in whole.input}
        cut.graph.initializer.extend(t for t in whole.initializer if t.name in read or t.name in declared)
        # Types may be left out: ONNX Runtime infers them.
        cut.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
        session = _session(cut)
        given = {value.name for value in session.get_inputs()}
        feeds = {name: _fit(session, name, value) for name, value in self.feeds.items() if name in given}
        try:
            return dict(zip(names, session.run(list(names), feeds), strict=True))
        except Exception as error:  # its classes share no base but Exception
            raise ModelError(f"ONNX Runtime cannot run the graph up to {self._at(k)}: {error}") from error

    def _twin(self, k: int, names: Sequence[str]) -> dict[str, torch.Tensor]:
        nodes = tuple(self.graph.nodes[i] for i in self.order[: k + 1])
        program = Program(replace(self.graph, nodes=nodes, outputs=tuple(names)))
        with torch.no_grad():
            values = program([*(self.feeds[name] for name in self.graph.inputs), *program.state.values()])
        return dict(zip(names, values, strict=True))

    def _at(self, k: int) -> Node:
        return self.graph.nodes[self.order[k]]

    def _named(self, name: str, k: int, difference: float, scale: float) -> Difference:
        node = next(n for i in self.order[: k + 1] if name in (n := self.graph.nodes[i]).outputs)
        operator = f"{node.domain}::{node.op_type}" if node.domain else node.op_type
        return Difference(node.name, operator, name, difference, scale)


def _needed(graph: Graph) -> list[int]:
    """Places of the nodes that the outputs depend on, in order."""
    wanted, places = set(graph.outputs), []
    for i in reversed(range(len(graph.nodes))):
        node = graph.nodes[i]
        if not wanted.isdisjoint(name for name in node.outputs if name):
            places.append(i)
            wanted.update(node.inputs)
    return places[::-1]


def _session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    import onnxruntime as ort

    if sum(len(tensor.raw_data) for tensor in model.graph.initializer) > _LARGEST:
        raise ModelError("The model is larger than 2 GiB, which no graph can be that is handed on in memory.")
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = torch.get_num_threads()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its classes share no base but Exception
        raise ModelError(f"ONNX Runtime cannot load a part of the model: {error}") from error


def _fit(session: onnxruntime.InferenceSession, name: str, value: torch.Tensor) -> Any:
    """The value as numpy array of the type that the input declares."""
    kind = next(entry.type for entry in session.get_inputs() if entry.name == name)
    dtype = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(bool)": "bool"}.get(kind, kind[7:-1])
    return value.numpy().astype(dtype)


def _distance(expected: Any, found: torch.Tensor) -> tuple[float, float]:
    """Largest difference of two values and the range of the first; what cannot be compared does not differ."""
    if not isinstance(expected, np.ndarray) or expected.dtype.kind not in "fiub":
        return 0.0, 1.0
    wanted, got = torch.from_numpy(expected.astype(np.float64)), found.double()
    finite = wanted[wanted.isfinite()]
    low, high = (float(v) for v in finite.aminmax()) if len(finite) else (0.0, 0.0)
    scale = max(high - low, abs(low), abs(high), 1e-6)
    if wanted.shape != got.shape:
        return float("inf"), scale
    same = (wanted == got) | (wanted.isnan() & got.isnan())
    apart = torch.where(same, 0.0, (wanted - got).abs()).nan_to_num(torch.inf, torch.inf)
    return (float(apart.max()) if apart.numel() else 0.0), scale
