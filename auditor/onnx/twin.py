"""A PyTorch module that computes what an ONNX graph computes, with gradients."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import nn

from auditor.errors import ModelError
from auditor.onnx.export import Exported, Origin, read_origin, write_back
from auditor.onnx.graph import Graph, parse_graph, require_known
from auditor.onnx.head import Ending, Head, find_ending, kind_of, strip
from auditor.onnx.inspection import TensorInfo, first_float, graph_inputs, tensor_info
from auditor.onnx.program import Program, Subgraph
from auditor.onnx.simplify import remove_dead
from auditor.onnx.strides import lay
from auditor.onnx.tensors import torch_dtype
from auditor.onnx.weights import dequantised_names, weight_names


def load_twin(source: Path | str | onnx.ModelProto, *, strip_head: bool = True, output: str | None = None) -> Twin:
    """Load an ONNX file (or model) as a differentiable module on the CPU, in eval mode, its weights channels last.

    With `strip_head` the twin answers with the tensor before a final Softmax, Sigmoid or LogSoftmax.
    `output` names the graph output to answer with; the default is the first of a floating type.
    Raises UnsupportedOperator, naming all unknown operators, and ModelError for a file that cannot be used.
    """
    model, origin = read_origin(source)
    inputs = graph_inputs(model.graph)
    if not inputs:
        raise ModelError("The graph has no input, so there is nothing to attack.")
    chosen = _choose_output(model, output)
    graph = replace(parse_graph(model), outputs=(chosen.name,))
    if graph.captures:
        raise ModelError(f"The graph reads {graph.captures[0]!r}, which nothing computes.")
    triples = [(kind_of(n.op_type, n.attributes.get("to")), n.inputs, n.outputs) for n in graph.nodes]
    ending = find_ending(triples, chosen.name)
    graph = remove_dead(strip(graph, ending) if strip_head else graph)
    require_known(graph)
    twin = Twin(origin, graph, inputs, chosen.name, ending, stripped=strip_head and ending.head != "logits")
    lay(twin)
    return twin


def _choose_output(model: onnx.ModelProto, name: str | None) -> TensorInfo:
    outputs = tuple(map(tensor_info, model.graph.output))
    if name is None:
        # A sequence of maps is what scikit-learn's converter calls probabilities; its tensor type is empty.
        scores = tuple(o for o in outputs if o.element_type != "STRING" and "INT" not in o.element_type)
        return first_float(scores or outputs)
    found = next((entry for entry in outputs if entry.name == name), None)
    if found is None:
        raise ModelError(f"The graph has no output {name!r}; it has {', '.join(o.name for o in outputs)}.")
    return found


class Twin(nn.Module):
    """An ONNX graph as a module. Weights are parameters without gradients; `.to()` moves them.

    `requires_grad_(True)` makes it trainable: the parameters are the file's own float tensors, each once.
    Moving averages, scales, masks that the graph computes and all integers are buffers.
    `head` is what the graph ends with, and `stripped` says whether the answer is the tensor before it;
    `normalises`, whether the graph has batch normalisation.
    """

    def __init__(
        self,
        origin: Origin,
        graph: Graph,
        inputs: tuple[TensorInfo, ...],
        output: str,
        ending: Ending,
        *,
        stripped: bool,
    ) -> None:
        super().__init__()
        self._origin = origin
        main = first_float(inputs)
        self.input_name = main.name
        self.input_shape = main.shape
        self.input_dtype = torch_dtype(onnx.TensorProto.DataType.Value(main.element_type))
        self.output_name = output
        self.head: Head = ending.head
        self.stripped = stripped
        self.normalises = any(node.op_type == "BatchNormalization" for node in graph.walk())
        self._program = Program(graph)
        self._others = tuple(name for name in graph.inputs if name != main.name)
        self._order = graph.inputs
        self.weights = nn.Module()
        trainable = (weight_names(graph) & origin.stored) | dequantised_names(graph)
        _forget(self._program, trainable)
        state = self._program.state
        self._keys = {name: self._hold(name, value, name in trainable) for name, value in state.items()}
        self._program.state = {}  # the module owns the weights from here on
        self.eval()

    def _hold(self, name: str, value: torch.Tensor, trainable: bool) -> str:
        key = name.replace(".", "/") or "/"
        while hasattr(self.weights, key):
            key += "_"
        if trainable:
            self.weights.register_parameter(key, nn.Parameter(value, requires_grad=False))
        else:
            self.weights.register_buffer(key, value)
        return key

    def export(self, path: Path | str) -> Exported:
        """Write the file that the twin was made of to `path`, with the twin's present weights.

        Nodes, names, opsets, metadata and a stripped head are those of the original; a quantised graph is
        written in its float form (see `float_form`), which a note says. Weights beyond 2 GB, or beside the
        original, lie beside the file in `<name>.data`. The file appears complete or not at all.
        Raises ModelError where a weight cannot be written, and UsageError for the original's own path.
        """
        tensors = {name: getattr(self.weights, key) for name, key in self._keys.items()}
        weights = {name: value.detach() for name, value in tensors.items() if isinstance(value, nn.Parameter)}
        others = {name: value for name, value in tensors.items() if name not in weights}
        return write_back(self._origin, weights, others, Path(path))

    def forward(self, x: torch.Tensor, /, **others: Any) -> torch.Tensor:
        """The chosen output for `x`, the graph's first float input; further inputs go by their names.

        Raises ModelError for a missing or unknown input, and where `x` does not fit the graph.
        """
        if others.keys() != set(self._others):
            wanted = ", ".join(self._others) or "none"
            raise ModelError(f"The graph's further inputs are {wanted}; given were {', '.join(others) or 'none'}.")
        values = [x if name == self.input_name else others[name] for name in self._order]
        weights = self.weights
        values += [getattr(weights, key) for key in self._keys.values()]
        answer: torch.Tensor = self._program(values)[0]
        return answer


def _forget(program: Program, weights: frozenset[str], prefix: str = "") -> None:
    """Keep the program from taking small weights for known numbers, which a plan may compute with in advance."""
    # A number without dimensions is no parameter: the program itself holds it.
    moving = {name for name in program.state if prefix + name in weights}
    program.known = {name: value for name, value in program.known.items() if name not in moving}
    for node in program.nodes:
        for key, value in node.attributes.items():
            if isinstance(value, Subgraph):
                _forget(value.program, weights, f"{prefix}{node.name}/{key}/")
