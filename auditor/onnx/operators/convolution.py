"""Convolutions in one to three dimensions, and the geometry they share with pooling."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from auditor.onnx.node import Node
from auditor.onnx.registry import Kernel, operator
from auditor.onnx.strides import pixel_by_pixel

_CONVOLUTIONS: dict[int, Callable[..., Tensor]] = {1: torch.conv1d, 2: torch.conv2d, 3: torch.conv3d}
TRANSPOSED: dict[int, Callable[..., Tensor]] = {
    1: F.conv_transpose1d,
    2: F.conv_transpose2d,
    3: F.conv_transpose3d,
}


@dataclass(frozen=True)
class Window:
    """How a kernel slides over `rank` dimensions: strides, dilations, and the padding or its rule."""

    strides: list[int]
    dilations: list[int]
    pads: list[int]
    rule: str

    @classmethod
    def of(cls, node: Node, rank: int) -> Window:
        """The window that the node's attributes describe, with ONNX's defaults."""
        return cls(
            node.integers("strides") or [1] * rank,
            node.integers("dilations") or [1] * rank,
            node.integers("pads") or [0] * (2 * rank),
            node.text("auto_pad", "NOTSET"),
        )

    def padding(self, sizes: Sequence[int], kernel: Sequence[int]) -> tuple[list[int], list[int]]:
        """Padding before and after each dimension, for inputs of `sizes`."""
        rank = len(kernel)
        if self.rule == "VALID":
            return [0] * rank, [0] * rank
        if not self.rule.startswith("SAME"):
            return self.pads[:rank], self.pads[rank:]
        before, after = [], []
        for size, k, stride, dilation in zip(sizes, kernel, self.strides, self.dilations, strict=True):
            total = max(0, (math.ceil(size / stride) - 1) * stride + (k - 1) * dilation + 1 - size)
            small, large = total // 2, total - total // 2
            before.append(small if self.rule == "SAME_UPPER" else large)
            after.append(large if self.rule == "SAME_UPPER" else small)
        return before, after


def pad_spatial(x: Tensor, before: Sequence[int], after: Sequence[int], value: float = 0.0) -> Tensor:
    """Pad (negative: crop) the last dimensions of `x`, which `before` and `after` list from first to last."""
    if not any(before) and not any(after):
        return x
    pairs = [amount for pair in zip(reversed(before), reversed(after), strict=True) for amount in pair]
    return F.pad(x, pairs, value=value)


@operator("Conv")
def convolution(node: Node) -> Kernel:
    group, windows = node.integer("group", 1), {rank: Window.of(node, rank) for rank in _CONVOLUTIONS}

    def run(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        rank = weight.dim() - 2
        window = windows[rank]
        before, after = window.padding(x.shape[2:], weight.shape[2:])
        if before != after:
            x = pad_spatial(x, before, after)
            before = [0] * rank
        answer = _CONVOLUTIONS[rank](x, weight, bias, window.strides, before, window.dilations, group)
        return pixel_by_pixel(answer) if rank == 2 else answer

    return run


@operator("ConvTranspose")
def transposed_convolution(node: Node) -> Kernel:
    group = node.integer("group", 1)

    def run(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        rank = weight.dim() - 2
        window = Window.of(node, rank)
        before, after, extra = _transposed_padding(node, window, x.shape[2:], weight.shape[2:])
        convolve = TRANSPOSED[rank]
        fits = all(e < max(s, d) for e, s, d in zip(extra, window.strides, window.dilations, strict=True))
        if before == after and fits and min(before) >= 0:
            return convolve(x, weight, bias, window.strides, before, extra, group, window.dilations)
        full = convolve(x, weight, None, window.strides, 0, 0, group, window.dilations)
        ends = [e - a for e, a in zip(extra, after, strict=True)]
        full = pad_spatial(full, [-b for b in before], ends)
        return full if bias is None else full + bias.reshape(-1, *[1] * rank)

    return run


def _transposed_padding(
    node: Node, window: Window, sizes: Sequence[int], kernel: Sequence[int]
) -> tuple[list[int], list[int], list[int]]:
    """Cut before, cut after, and added at the end, for each dimension of a transposed convolution."""
    rank = len(kernel)
    extra = node.integers("output_padding") or [0] * rank
    target = node.integers("output_shape")
    if target is None and window.rule.startswith("SAME"):
        target = [size * stride for size, stride in zip(sizes, window.strides, strict=True)]
    if target is None:
        pads = [0] * (2 * rank) if window.rule == "VALID" else window.pads
        return pads[:rank], pads[rank:], extra
    before, after = [], []
    for i, goal in enumerate(target[-rank:]):
        full = (sizes[i] - 1) * window.strides[i] + extra[i] + (kernel[i] - 1) * window.dilations[i] + 1
        total = full - goal
        half = total // 2 if window.rule == "SAME_UPPER" else total - total // 2
        before.append(half)
        after.append(total - half)
    return before, after, extra
