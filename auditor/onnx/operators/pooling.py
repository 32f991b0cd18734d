"""Pooling."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from auditor.onnx.node import Node
from auditor.onnx.operators.arithmetic import stateless
from auditor.onnx.operators.convolution import Window, pad_spatial
from auditor.onnx.registry import Kernel, operator

_MAX: dict[int, Callable[..., Tensor]] = {1: torch.max_pool1d, 2: torch.max_pool2d, 3: torch.max_pool3d}
_MAX_INDICES: dict[int, Callable[..., tuple[Tensor, Tensor]]] = {
    1: F.max_pool1d_with_indices,
    2: F.max_pool2d_with_indices,
    3: F.max_pool3d_with_indices,
}
_AVERAGE: dict[int, Callable[..., Tensor]] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
_CONVOLVE: dict[int, Callable[..., Tensor]] = {1: torch.conv1d, 2: torch.conv2d, 3: torch.conv3d}


def _overhang(
    node: Node, window: Window, sizes: Sequence[int], kernel: Sequence[int], pads: tuple[list[int], list[int]]
) -> list[int]:
    """How far the last window of each dimension reaches over the padded end when sizes are rounded up."""
    if not node.integer("ceil_mode", 0):
        return [0] * len(kernel)
    overhang = []
    for i, (before, after) in enumerate(zip(*pads, strict=True)):
        stride, reach = window.strides[i], (kernel[i] - 1) * window.dilations[i] + 1
        last = math.ceil((sizes[i] + before + after - reach) / stride)
        if last * stride >= sizes[i] + before:  # a window may not start beyond the input
            last -= 1
        overhang.append(max(0, last * stride + reach - sizes[i] - before - after))
    return overhang


@operator("MaxPool")
def max_pool(node: Node) -> Kernel:
    kernel = node.integers("kernel_shape") or []
    rank = len(kernel)
    window = Window.of(node, rank)
    if node.has_output(1):
        return _max_pool_with_indices(node, kernel, window)
    pool = _MAX[rank]

    def run(x: Tensor) -> Tensor:
        if not x.is_floating_point():
            return run(x.double()).to(x.dtype)
        before, after = window.padding(x.shape[2:], kernel)
        overhang = _overhang(node, window, x.shape[2:], kernel, (before, after))
        if before != after or any(overhang) or any(2 * b > k for b, k in zip(before, kernel, strict=True)):
            ends = [a + o for a, o in zip(after, overhang, strict=True)]
            x = pad_spatial(x, before, ends, float("-inf"))
            before = [0] * rank
        return pool(x, kernel, window.strides, before, window.dilations)

    return run


def _max_pool_with_indices(node: Node, kernel: list[int], window: Window) -> Kernel:
    rank = len(kernel)
    by_column = bool(node.integer("storage_order", 0))

    def run(x: Tensor) -> tuple[Tensor, Tensor]:
        before, after = window.padding(x.shape[2:], kernel)
        overhang = _overhang(node, window, x.shape[2:], kernel, (before, after))
        ends = [a + o for a, o in zip(after, overhang, strict=True)]
        padded = pad_spatial(x.double(), before, ends, float("-inf"))
        _, found = _MAX_INDICES[rank](padded, kernel, window.strides, 0, window.dilations)
        # `found` counts within the padded plane; ONNX counts within the whole unpadded tensor.
        place = [
            index - shift for index, shift in zip(torch.unravel_index(found, padded.shape[2:]), before, strict=True)
        ]
        sizes = list(x.shape[2:])
        flat = torch.zeros_like(found)
        for index, size in zip(place, sizes, strict=True):
            flat = flat * size + index
        values = x.flatten(2).gather(2, flat.flatten(2)).reshape(flat.shape)
        if by_column:
            flat = torch.zeros_like(found)
            for index, size in zip(reversed(place), reversed(sizes), strict=True):
                flat = flat * size + index
        planes = torch.arange(math.prod(x.shape[:2]), device=x.device) * math.prod(sizes)
        return values, flat + planes.reshape(*x.shape[:2], *[1] * rank)

    return run


@operator("AveragePool")
def average_pool(node: Node) -> Kernel:
    kernel = node.integers("kernel_shape") or []
    rank = len(kernel)
    window = Window.of(node, rank)
    count_padding = bool(node.integer("count_include_pad", 0))

    def run(x: Tensor) -> Tensor:
        before, after = window.padding(x.shape[2:], kernel)
        overhang = _overhang(node, window, x.shape[2:], kernel, (before, after))
        plain = before == after and not any(overhang) and set(window.dilations) == {1}
        if plain and all(2 * b <= k for b, k in zip(before, kernel, strict=True)):
            return _AVERAGE[rank](x, kernel, window.strides, before, False, count_padding)
        inside = x.new_ones((1, 1, *x.shape[2:]))
        inside = pad_spatial(inside, before, after, 1.0 if count_padding else 0.0)
        inside = pad_spatial(inside, [0] * rank, overhang)
        ends = [a + o for a, o in zip(after, overhang, strict=True)]
        total = _window_sum(pad_spatial(x, before, ends), kernel, window)
        return total / _window_sum(inside, kernel, window)

    return run


def _window_sum(x: Tensor, kernel: list[int], window: Window) -> Tensor:
    """Sum over each window; a convolution with ones, since no pooling of torch knows dilation here."""
    flat = x.reshape(-1, 1, *x.shape[2:])
    ones = x.new_ones((1, 1, *kernel))
    result = _CONVOLVE[len(kernel)](flat, ones, None, window.strides, 0, window.dilations)
    return result.reshape(*x.shape[:2], *result.shape[2:])


@operator("LpPool", since=2)
def lp_pool(node: Node) -> Kernel:
    kernel = node.integers("kernel_shape") or []
    window = Window.of(node, len(kernel))
    p = node.integer("p", 2)

    def run(x: Tensor) -> Tensor:
        before, after = window.padding(x.shape[2:], kernel)
        overhang = _overhang(node, window, x.shape[2:], kernel, (before, after))
        ends = [a + o for a, o in zip(after, overhang, strict=True)]
        total = _window_sum(pad_spatial(x, before, ends).abs() ** p, kernel, window)
        # No gradient where all is zero: that of the root is infinite there, and times zero not a number.
        zero = total == 0
        return torch.where(zero, 0.0, torch.where(zero, 1.0, total) ** (1 / p))

    return run


def _spatial(x: Tensor) -> list[int]:
    return list(range(2, x.dim()))


operator("GlobalAveragePool")(stateless(lambda x: x.mean(_spatial(x), keepdim=True)))
operator("GlobalMaxPool")(stateless(lambda x: x.amax(_spatial(x), keepdim=True)))


@operator("GlobalLpPool", since=2)
def global_lp_pool(node: Node) -> Kernel:
    p = node.integer("p", 2)
    return lambda x: torch.linalg.vector_norm(x, p, _spatial(x), keepdim=True)
