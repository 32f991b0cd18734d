"""Products of quantised tensors: the integer operators and the QLinear ones that ONNX itself defines."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from auditor.onnx.node import Node
from auditor.onnx.operators.convolution import convolution
from auditor.onnx.operators.quantisation import along, dequantise, quantise
from auditor.onnx.registry import Kernel, operator
from auditor.onnx.tensors import integer_range


def output_range(zero: Tensor | None) -> tuple[int, int]:
    """The integer range of a result: that of its zero point, which shares its type."""
    return integer_range(torch.uint8 if zero is None or zero.is_floating_point() else zero.dtype)


def centred(x: Tensor, zero: Tensor | None, axis: int) -> Tensor:
    x = x if x.is_floating_point() else x.float()
    return x if zero is None else x - along(zero, x, axis).to(x.dtype)


def operands(inputs: Sequence[Tensor], axis_a: int, axis_b: int) -> tuple[Tensor, Tensor]:
    """The tensors a and b of `a, a_scale, a_zero, b, b_scale, b_zero`, scaled as a whole or along their axes."""
    a, a_scale, a_zero, b, b_scale, b_zero = inputs
    left = dequantise(a, along(a_scale, a, axis_a), along(a_zero, a, axis_a))
    return left, dequantise(b, along(b_scale, b, axis_b), along(b_zero, b, axis_b))


@operator("ConvInteger", since=10)
def integer_convolution(node: Node) -> Kernel:
    convolve = convolution(node)

    def run(x: Tensor, w: Tensor, x_zero: Tensor | None = None, w_zero: Tensor | None = None) -> Tensor:
        result: Tensor = convolve(centred(x, x_zero, 1), centred(w, w_zero, 0))
        return result

    return run


@operator("MatMulInteger", since=10)
def integer_matmul(node: Node) -> Kernel:
    def run(a: Tensor, b: Tensor, a_zero: Tensor | None = None, b_zero: Tensor | None = None) -> Tensor:
        return centred(a, a_zero, -2) @ centred(b, b_zero, -1)

    return run


@operator("QLinearConv", since=10)
def quantised_convolution(node: Node) -> Kernel:
    convolve = convolution(node)

    def run(
        x: Tensor,
        x_scale: Tensor,
        x_zero: Tensor,
        w: Tensor,
        w_scale: Tensor,
        w_zero: Tensor,
        y_scale: Tensor,
        y_zero: Tensor,
        bias: Tensor | None = None,
    ) -> Tensor:
        weight = dequantise(w, along(w_scale, w, 0), along(w_zero, w, 0))
        bias = None if bias is None else bias.to(x_scale.dtype) * (x_scale * w_scale).reshape(-1)
        bias = bias.expand(w.shape[0]) if bias is not None else None
        y = convolve(dequantise(x, x_scale, x_zero), weight, bias)
        return quantise(y, y_scale, y_zero, *output_range(y_zero))

    return run


@operator("QLinearMatMul", since=10)
def quantised_matmul(node: Node) -> Kernel:
    def run(*inputs: Tensor) -> Tensor:
        left, right = operands(inputs[:6], -2, -1)
        y_scale, y_zero = inputs[6:]
        return quantise(left @ right, y_scale, y_zero, *output_range(y_zero))

    return run


def requantised(function: Callable[..., Tensor]) -> Kernel:
    """A kernel for `x, x_scale, x_zero, y_scale, y_zero`: dequantise, apply, quantise."""

    def run(x: Tensor, x_scale: Tensor, x_zero: Tensor | None, y_scale: Tensor, y_zero: Tensor | None = None) -> Tensor:
        return quantise(function(dequantise(x, x_scale, x_zero)), y_scale, y_zero, *output_range(y_zero))

    return run
