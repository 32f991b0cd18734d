"""Writing parts of a tensor."""

from __future__ import annotations

import torch
from torch import Tensor

from auditor.onnx.node import Node
from auditor.onnx.operators.indexing import nonnegative
from auditor.onnx.registry import Kernel, operator

_REDUCE = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


@operator("Scatter", since=9)
@operator("ScatterElements", since=11)
def scatter_elements(node: Node) -> Kernel:
    axis = node.integer("axis", 0)
    reduce = _REDUCE.get(node.text("reduction", "none"))

    def run(x: Tensor, index: Tensor, updates: Tensor) -> Tensor:
        index = nonnegative(index, x.shape[axis])
        if reduce is None:
            return x.scatter(axis, index, updates)
        return x.scatter_reduce(axis, index, updates, reduce)

    return run


@operator("ScatterND", since=11)
def scatter_nd(node: Node) -> Kernel:
    reduce = _REDUCE.get(node.text("reduction", "none"))

    def run(x: Tensor, index: Tensor, updates: Tensor) -> Tensor:
        depth = index.shape[-1]
        rows = torch.zeros_like(index[..., 0])
        for i, part in enumerate(index.unbind(-1)):
            rows = rows * x.shape[i] + nonnegative(part, x.shape[i])
        flat = x.reshape(-1, *x.shape[depth:]).flatten(1) if depth < x.dim() else x.reshape(-1, 1)
        rows = rows.reshape(-1, 1).expand(-1, flat.shape[1])
        updates = updates.reshape(rows.shape)
        if reduce is None:
            return flat.scatter(0, rows, updates).reshape(x.shape)
        return flat.scatter_reduce(0, rows, updates, reduce).reshape(x.shape)

    return run
