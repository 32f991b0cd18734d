"""Writing parts of a tensor."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from auditor.onnx.node import Node
from auditor.onnx.operators.convolution import TRANSPOSED, Window, pad_spatial
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


@operator("TensorScatter", since=24)
def tensor_scatter(node: Node) -> Kernel:
    axis, circular = node.integer("axis", -2), node.text("mode", "linear") == "circular"

    def run(cache: Tensor, update: Tensor, start: Tensor | None = None) -> Tensor:
        dim, length = axis % cache.dim(), cache.shape[axis]
        steps = torch.arange(update.shape[dim], device=cache.device)
        place = steps if start is None else start.reshape(-1, 1) + steps
        place = place % length if circular else place
        shape = [1] * cache.dim()
        shape[0], shape[dim] = place.shape[0] if start is not None else 1, steps.shape[0]
        return cache.scatter(dim, place.reshape(shape).expand(update.shape), update)

    return run


@operator("MaxUnpool", since=9, host=(2,))
def max_unpool(node: Node) -> Kernel:
    kernel = node.integers("kernel_shape") or []
    rank = len(kernel)
    strides, pads = node.integers("strides") or [1] * rank, node.integers("pads") or [0] * (2 * rank)

    def run(x: Tensor, index: Tensor, target: list[int] | None = None) -> Tensor:
        sizes = [(x.shape[2 + i] - 1) * strides[i] + kernel[i] - pads[i] - pads[i + rank] for i in range(rank)]
        shape = target if target is not None else [*x.shape[:2], *sizes]
        flat = x.new_zeros(math.prod(shape))
        return flat.scatter(0, index.reshape(-1), x.reshape(-1)).reshape(shape)

    return run


@operator("Col2Im", since=18, host=(1, 2))
def columns_to_image(node: Node) -> Kernel:
    def run(x: Tensor, image: list[int], block: list[int]) -> Tensor:
        rank, size = len(image), math.prod(block)
        window = Window.of(node, rank)
        padded = [length + a + b for length, a, b in zip(image, window.pads[:rank], window.pads[rank:], strict=True)]
        reach = [(k - 1) * d + 1 for k, d in zip(block, window.dilations, strict=True)]
        steps = [(p - r) // s + 1 for p, r, s in zip(padded, reach, window.strides, strict=True)]
        # A transposed convolution whose weights are the identity adds each column up at its places.
        columns = x.reshape(-1, size, *steps)
        weight = torch.eye(size, dtype=x.dtype, device=x.device).reshape(size, 1, *block)
        full = TRANSPOSED[rank](columns, weight, None, window.strides, 0, 0, 1, window.dilations)
        behind = [length - have for length, have in zip(padded, full.shape[2:], strict=True)]
        whole = pad_spatial(full, [0] * rank, behind)
        cut = pad_spatial(whole, [-a for a in window.pads[:rank]], [-b for b in window.pads[rank:]])
        return cut.reshape(x.shape[0], -1, *image)

    return run
