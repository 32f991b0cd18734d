"""Constants, and operators that change or read a tensor's shape."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from auditor.onnx.node import Node
from auditor.onnx.registry import Kernel, operator
from auditor.onnx.strides import before_flattening
from auditor.onnx.tensors import torch_dtype


@operator("Constant")
def constant(node: Node) -> Kernel:
    for key, value in node.attributes.items():
        if key == "value" and isinstance(value, Tensor):
            return lambda: value
        if key in ("value_float", "value_floats"):
            return lambda: torch.tensor(value, dtype=torch.float32)
        if key in ("value_int", "value_ints"):
            return lambda: torch.tensor(value, dtype=torch.int64)
    raise node.error(f"holds a constant of a kind that the twin cannot hold ({', '.join(node.attributes)})")


@operator("ConstantOfShape", since=9, host=(0,))
def constant_of_shape(node: Node) -> Kernel:
    value = node.attributes.get("value", torch.zeros(1))
    return lambda shape: torch.full(shape, value.item(), dtype=value.dtype)


@operator("Range", since=11)
def arange(node: Node) -> Kernel:
    return lambda start, stop, step: torch.arange(
        start.item(), stop.item(), step.item(), dtype=start.dtype, device=start.device
    )


@operator("EyeLike", since=9)
def eye_like(node: Node) -> Kernel:
    k, to = node.integer("k", 0), node.integer("dtype", 0)

    def run(x: Tensor) -> Tensor:
        rows, columns = x.shape
        dtype = torch_dtype(to) if to else x.dtype
        row = torch.arange(rows, device=x.device).unsqueeze(1)
        return (torch.arange(columns, device=x.device) - row == k).to(dtype)

    return run


@operator("Shape", shape_only=True)
def shape(node: Node) -> Kernel:
    start, end = node.integer("start", 0), node.attributes.get("end")
    return lambda x: torch.tensor(x.shape[start:end], dtype=torch.int64)


@operator("Size", shape_only=True)
def size(node: Node) -> Kernel:
    return lambda x: torch.tensor(math.prod(x.shape), dtype=torch.int64)


@operator("Identity")
def identity(node: Node) -> Kernel:
    return lambda x: x


@operator("Dropout")
def dropout(node: Node) -> Kernel:
    training = node.constant(2)
    if node.has_input(2) and (training is None or bool(training)):
        raise node.error("is in training mode, so the model's answers are random; export it in eval mode")
    if node.has_output(1):
        return lambda x, *_: (x, torch.ones_like(x, dtype=torch.bool))
    return lambda x, *_: x


@operator("Reshape", since=5, host=(1,))
def reshape(node: Node) -> Kernel:
    allow_zero = node.integer("allowzero", 0)

    def run(x: Tensor, target: list[int]) -> Tensor:
        if 0 in target and not allow_zero:
            target = [x.shape[i] if size == 0 else size for i, size in enumerate(target)]
        return before_flattening(x).reshape(target)

    return run


@operator("Flatten")
def flatten(node: Node) -> Kernel:
    axis = node.integer("axis", 1)

    def run(x: Tensor) -> Tensor:
        first = axis + x.dim() if axis < 0 else axis
        return before_flattening(x).reshape(math.prod(x.shape[:first]), math.prod(x.shape[first:]))

    return run


@operator("Squeeze")
def squeeze_by_attribute(node: Node) -> Kernel:
    axes = node.integers("axes")
    return lambda x: x.squeeze() if axes is None else x.squeeze(axes)


@operator("Squeeze", since=13, host=(1,))
def squeeze(node: Node) -> Kernel:
    return lambda x, axes=None: x.squeeze() if axes is None else x.squeeze(axes)


def _unsqueeze(x: Tensor, axes: list[int]) -> Tensor:
    rank = x.dim() + len(axes)
    for axis in sorted(a % rank for a in axes):
        x = x.unsqueeze(axis)
    return x


@operator("Unsqueeze")
def unsqueeze_by_attribute(node: Node) -> Kernel:
    axes = node.integers("axes") or []
    return lambda x: _unsqueeze(x, axes)


@operator("Unsqueeze", since=13, host=(1,))
def unsqueeze(node: Node) -> Kernel:
    return lambda x, axes: _unsqueeze(x, axes if isinstance(axes, list) else [axes])


@operator("Transpose")
def transpose(node: Node) -> Kernel:
    order = node.integers("perm")
    return lambda x: x.permute(order if order is not None else list(range(x.dim()))[::-1])


def _broadcast(shape: Sequence[int], target: Sequence[int]) -> list[int]:
    """The common shape; ONNX lets Expand keep a dimension that the target gives as 1."""
    rank = max(len(shape), len(target))
    pairs = zip([1] * (rank - len(shape)) + [*shape], [1] * (rank - len(target)) + [*target], strict=True)
    return [b if a == 1 else a for a, b in pairs]


@operator("Expand", since=8, host=(1,))
def expand(node: Node) -> Kernel:
    return lambda x, target: torch.broadcast_to(x, _broadcast(x.shape, target))


@operator("Concat", since=4)
def concatenate(node: Node) -> Kernel:
    axis = node.integer("axis", 1)
    return lambda *tensors: torch.cat(tensors, axis)


@operator("Tile", since=6, host=(1,))
def tile(node: Node) -> Kernel:
    return lambda x, repeats: x.repeat(repeats)


@operator("Split", since=2)
def split_by_attribute(node: Node) -> Kernel:
    axis, sizes = node.integer("axis", 0), node.integers("split")
    return lambda x: _split(x, sizes, len(node.outputs), axis)


@operator("Split", since=13, host=(1,))
def split(node: Node) -> Kernel:
    axis, parts = node.integer("axis", 0), node.integer("num_outputs", len(node.outputs))
    return lambda x, sizes=None: _split(x, sizes, parts, axis)


def _split(x: Tensor, sizes: list[int] | None, parts: int, axis: int) -> tuple[Tensor, ...]:
    if sizes is None:
        each = math.ceil(x.shape[axis] / parts)
        sizes = [each] * (parts - 1) + [x.shape[axis] - each * (parts - 1)]
    return torch.split(x, sizes, axis)


@operator("DepthToSpace")
def depth_to_space(node: Node) -> Kernel:
    b, columns_first = node.integer("blocksize", 1), node.text("mode", "DCR") == "CRD"

    def run(x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        if columns_first:
            return F.pixel_shuffle(x, b)
        x = x.reshape(n, b, b, c // (b * b), h, w).permute(0, 3, 4, 1, 5, 2)
        return x.reshape(n, c // (b * b), h * b, w * b)

    return run


@operator("SpaceToDepth")
def space_to_depth(node: Node) -> Kernel:
    b, columns_first = node.integer("blocksize", 1), node.text("mode", "DCR") == "CRD"

    def run(x: Tensor) -> Tensor:
        if columns_first:
            return F.pixel_unshuffle(x, b)
        n, c, h, w = x.shape
        x = x.reshape(n, c, h // b, b, w // b, b).permute(0, 3, 5, 1, 2, 4)
        return x.reshape(n, c * b * b, h // b, w // b)

    return run


@operator("Pad", since=2)
def pad_by_attribute(node: Node) -> Kernel:
    pads, value = node.integers("pads") or [], node.number("value", 0.0)
    mode = node.text("mode", "constant")
    return lambda x: _pad(x, pads, list(range(x.dim())), mode, value)


@operator("Pad", since=11, host=(1, 2, 3))
def pad(node: Node) -> Kernel:
    mode = node.text("mode", "constant")

    def run(
        x: Tensor,
        pads: list[int],
        value: float | list[float] | None = None,
        axes: list[int] | None = None,
    ) -> Tensor:
        fill = value[0] if isinstance(value, list) else value
        return _pad(x, pads, axes if axes is not None else list(range(x.dim())), mode, fill or 0)

    return run


def _pad(x: Tensor, pads: list[int], axes: list[int], mode: str, value: float) -> Tensor:
    amounts = {axis % x.dim(): (pads[i], pads[i + len(axes)]) for i, axis in enumerate(axes)}
    if mode == "constant":
        return F.pad(x, [n for axis in reversed(range(x.dim())) for n in amounts.get(axis, (0, 0))], value=value)
    for axis, (before, after) in amounts.items():
        if before or after:
            index = _border_index(x.shape[axis], before, after, mode)
            x = x.index_select(axis, torch.tensor(index, device=x.device))
    return x


def _border_index(length: int, before: int, after: int, mode: str) -> list[int]:
    """Which element stands at each place of a padded axis; any width, negative ones crop."""
    places = range(-before, length + after)
    if mode == "edge":
        return [min(max(i, 0), length - 1) for i in places]
    if mode == "wrap":  # around what is left of the axis after cropping
        first, left = max(0, -before), length + min(0, before) + min(0, after)
        return [first + (i - first) % left for i in places]
    period = max(1, 2 * (length - 1))
    return [min(i % period, period - i % period) if length > 1 else 0 for i in places]
