"""Graphs that answer with the number of the class and keep its scores to themselves: an ArgMax at the end."""

from __future__ import annotations

from dataclasses import dataclass

import onnx
import torch

from auditor.errors import ModelError, UsageError
from auditor.target.base import Network

_COPYING = {"Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Flatten"}


@dataclass(frozen=True)
class OneHot:
    """A network that answers with labels, `(N,)` or `(N, 1)`, as one with a row for each: 1 for the label, else 0."""

    network: Network
    num_classes: int

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Rows `(N, K)` float32. Raises ModelError for a label that is none of the K."""
        labels = self.network(x).flatten()
        rows = labels[:, None] == torch.arange(self.num_classes, device=labels.device)
        if not bool(rows.any(1).all()):
            wrong = labels[~rows.any(1)][0].item()
            raise ModelError(
                f"The model answered with the label {wrong}, and its labels are to be 0 to {self.num_classes - 1}; "
                "name all classes in their order with --classes."
            )
        return rows.float()


def count_classes(model: onnx.ModelProto, output: str, names: tuple[str, ...] | None) -> int:
    """How many labels there are: as many as `names`, or as the scores that the graph takes its label from.

    Raises:
        UsageError: there are no names, and the graph does not tell.
    """
    if names is not None:
        return len(names)
    writers = {name: node for node in model.graph.node for name in node.output}
    node = writers.get(output)
    for _ in model.graph.node:  # a damaged graph may run in circles
        if node is None or node.op_type not in _COPYING or not node.input:
            break
        node = writers.get(node.input[0])
    count = None if node is None or node.op_type != "ArgMax" else _last_axis(model, node.input[0])
    if not count:
        raise UsageError(
            f"The model answers with labels ({output}) and does not tell how many there are; name all classes in their "
            "order with --classes."
        )
    return count


def _last_axis(model: onnx.ModelProto, name: str) -> int | None:
    """Size of the last axis of a tensor inside the graph, where it is known."""
    try:
        graph = onnx.shape_inference.infer_shapes(model).graph
    except Exception:  # what cannot be inferred is not known
        return None
    known = {value.name: value for value in [*graph.value_info, *graph.output]}
    axes = known[name].type.tensor_type.shape.dim if name in known else ()
    return axes[-1].dim_value if axes else None
