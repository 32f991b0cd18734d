"""Members that training kept as one model: the mean of the probabilities that they give, in both forms."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from auditor.errors import ModelError
from auditor.onnx.head import find_ending

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

    from auditor.types import Images, Logits

_LARGEST = 2**31 - 2**20


class Ensemble(nn.Module):
    """Networks of one architecture; samples `(N, …)` to the logarithm of the mean of their probabilities, `(N, K)`."""

    def __init__(self, module: nn.Module, members: Sequence[Mapping[str, Tensor]]) -> None:
        """`module` lends the architecture, and what `members`, weights by name, do not say."""
        super().__init__()
        self.members = nn.ModuleList(copy.deepcopy(module) for _ in members)
        for network, weights in zip(self.members, members, strict=True):
            network.load_state_dict(weights, strict=False)

    def forward(self, x: Images) -> Logits:
        scores = torch.stack([network(x).log_softmax(1) for network in self.members])
        return scores.logsumexp(0) - math.log(len(self.members))


def merge(files: Sequence[Path], path: Path) -> None:
    """Write ONNX files of one graph with different weights as one: same input, output and metadata.

    The output is the mean where it is probabilities, else the logarithm of the mean of their softmax.

    Raises:
        ModelError: a graph has several outputs, or all members together do not fit into one file.
    """
    import onnx
    from onnx.compose import add_prefix

    first = onnx.load(files[0])
    if len(first.graph.output) != 1:
        names = ", ".join(output.name for output in first.graph.output)
        raise ModelError(f"An ensemble needs a graph with one output; this one has {names}.")
    output = first.graph.output[0].name
    merged = onnx.ModelProto()
    merged.CopyFrom(first)
    for part in ("node", "initializer", "sparse_initializer", "value_info"):
        merged.graph.ClearField(part)
    outputs = []
    for number, file in enumerate(files):
        prefix = f"member{number}/"
        member = add_prefix(onnx.load(file), prefix, rename_inputs=False, rename_functions=False).graph
        for part in ("node", "initializer", "sparse_initializer", "value_info"):
            getattr(merged.graph, part).extend(getattr(member, part))
        outputs.append(prefix + output)
    merged.graph.node.extend(_mean(first, outputs, output))
    if merged.ByteSize() > _LARGEST:
        raise ModelError(f"{len(files)} members do not fit into one ONNX file of 2 GB; keep fewer.")
    onnx.checker.check_model(merged)
    onnx.save(merged, path)


def _mean(model: ModelProto, outputs: Sequence[str], name: str) -> list[NodeProto]:
    """Nodes from the members' outputs to their mean, of operators that every opset has."""
    from onnx.helper import make_node

    head = find_ending(((node.op_type, node.input, node.output) for node in model.graph.node), name).head
    if head in ("softmax", "sigmoid"):
        return [make_node("Mean", outputs, [name])]
    nodes, scores = [], [f"{output}/score" for output in outputs]
    for output, score in zip(outputs, scores, strict=True):
        nodes.append(make_node("LogSoftmax", [output], [score], axis=-1))
    # The largest is taken out before exponentials are: none overflows, and not all vanish.
    nodes.append(make_node("Max", scores, ["mean/largest"]))
    for score in scores:
        nodes.append(make_node("Sub", [score, "mean/largest"], [f"{score}/below"]))
        nodes.append(make_node("Exp", [f"{score}/below"], [f"{score}/share"]))
    nodes.append(make_node("Mean", [f"{score}/share" for score in scores], ["mean/share"]))
    nodes.append(make_node("Log", ["mean/share"], ["mean/log"]))
    nodes.append(make_node("Add", ["mean/log", "mean/largest"], [name]))
    return nodes
