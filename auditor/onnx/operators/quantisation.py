"""Linear quantisation with useful gradients.

Quantised *activations* are held as floating tensors whose values are whole numbers: an integer tensor has no
gradient. Rounding is straight-through (Bengio et al., arXiv:1308.3432): it counts as the identity in the
backward pass, while clipping to the integer range lets gradients pass inside of it, ends included.
"""

from __future__ import annotations

import torch
from torch import Tensor

from auditor.onnx.node import Node
from auditor.onnx.registry import Kernel, operator
from auditor.onnx.tensors import integer_range
from auditor.onnx.tensors import integer_range_of_type as range_of_type


def straight_through_round(x: Tensor) -> Tensor:
    """Round half to even, infinity to itself; the gradient is that of the identity."""
    exact = x.detach()
    return x + exact.round().sub_(exact).nan_to_num_()


def along(parameter: Tensor, x: Tensor, axis: int, block: int = 0) -> Tensor:
    """A scale or zero point, shaped to act on `x`: per tensor, per slice of `axis`, or per block along it."""
    if block:
        wide = parameter.repeat_interleave(block, axis)
        return wide.narrow(axis, 0, x.shape[axis])
    if parameter.dim() == 0 or parameter.numel() == 1:
        return parameter.reshape(())
    shape = [1] * x.dim()
    shape[axis] = -1
    return parameter.reshape(shape)


def quantise(x: Tensor, scale: Tensor, zero: Tensor | None, low: int, high: int) -> Tensor:
    """Whole numbers in [low, high] as floats; scale and zero point already fit `x`."""
    q = straight_through_round(x / scale)
    if zero is not None:
        q = q + zero.to(q.dtype)
    return clip(q, low, high)


def clip(q: Tensor, low: float, high: float) -> Tensor:
    """Clip to [low, high]; gradients pass inside and at both ends, and nowhere else.

    PyTorch's own clamp lets none pass at the ends, where black and white pixels lie: none of them could be moved.
    """
    within = q.detach().clamp(low, high)
    return torch.where(q == within, q, within)


def dequantise(q: Tensor, scale: Tensor, zero: Tensor | None) -> Tensor:
    """Floats of the scale's type."""
    x = q.to(scale.dtype)
    return (x if zero is None else x - zero.to(scale.dtype)) * scale


@operator("QuantizeLinear", since=10)
def quantize_linear(node: Node) -> Kernel:
    axis, block = node.integer("axis", 1), node.integer("block_size", 0)
    declared = node.integer("output_dtype", 0)

    def run(x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
        scale = along(scale, x, axis, block).to(x.dtype)
        dtype = torch.uint8 if zero is None else zero.dtype
        if dtype.is_floating_point:
            return _to_float8(x / scale, dtype)
        low, high = range_of_type(declared) if declared else integer_range(dtype)
        shift = None if zero is None else along(zero, x, axis, block)
        return quantise(x, scale, shift, low, high)

    return run


def _to_float8(x: Tensor, dtype: torch.dtype) -> Tensor:
    limit = torch.finfo(dtype).max
    x = clip(x, -limit, limit)
    return x + (x.to(dtype).to(x.dtype) - x).detach()


@operator("DequantizeLinear", since=10)
def dequantize_linear(node: Node) -> Kernel:
    axis, block = node.integer("axis", 1), node.integer("block_size", 0)

    def run(q: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
        shift = None if zero is None else along(zero, q, axis, block)
        return dequantise(q, along(scale, q, axis, block), shift)

    return run


@operator("DynamicQuantizeLinear", since=11)
def dynamic_quantize_linear(node: Node) -> Kernel:
    def run(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        # The range is that of the whole tensor; it is treated as constant, as in quantisation-aware training.
        low = x.detach().amin().clamp(max=0.0)
        high = x.detach().amax().clamp(min=0.0)
        scale = (high - low) / 255
        scale = torch.where(scale == 0, torch.ones_like(scale), scale)
        zero = (-low / scale).round().clamp(0, 255)
        return quantise(x, scale, zero, 0, 255), scale, zero

    return run
