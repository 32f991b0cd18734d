"""Quantised operators of ONNX Runtime's own domain, com.microsoft, as its quantiser and optimiser write them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from auditor.onnx.node import Node
from auditor.onnx.operators.integer import (
    centred,
    operands,
    output_range,
    quantised_convolution,
    requantised,
)
from auditor.onnx.operators.pooling import average_pool, max_pool
from auditor.onnx.operators.quantisation import (
    dequantise,
    dequantize_linear,
    dynamic_quantize_linear,
    quantise,
    quantize_linear,
)
from auditor.onnx.operators.recurrent import dynamically_quantised_lstm
from auditor.onnx.registry import Builder, Kernel, operator

DOMAIN = "com.microsoft"

operator("QuantizeLinear", domain=DOMAIN)(quantize_linear)
operator("DequantizeLinear", domain=DOMAIN)(dequantize_linear)
operator("DynamicQuantizeLSTM", domain=DOMAIN)(dynamically_quantised_lstm)


def _binary(combine: Kernel) -> Builder:
    def run(
        a: Tensor,
        a_scale: Tensor,
        a_zero: Tensor | None,
        b: Tensor,
        b_scale: Tensor,
        b_zero: Tensor | None,
        y_scale: Tensor,
        y_zero: Tensor | None = None,
    ) -> Tensor:
        y = combine(dequantise(a, a_scale, a_zero), dequantise(b, b_scale, b_zero))
        return quantise(y, y_scale, y_zero, *output_range(y_zero))

    return lambda node: run


operator("QLinearAdd", domain=DOMAIN)(_binary(torch.add))
operator("QLinearMul", domain=DOMAIN)(_binary(torch.mul))
operator("QLinearSigmoid", domain=DOMAIN)(lambda node: requantised(torch.sigmoid))


@operator("QLinearLeakyRelu", domain=DOMAIN)
def quantised_leaky_relu(node: Node) -> Kernel:
    alpha = node.number("alpha", 0.01)
    return requantised(lambda x: F.leaky_relu(x, alpha))


@operator("QLinearSoftmax", domain=DOMAIN)
def quantised_softmax(node: Node) -> Kernel:
    axis = node.integer("axis", -1)
    if node.integer("opset", 13) >= 13:
        return requantised(lambda x: torch.softmax(x, axis))
    return requantised(lambda x: torch.softmax(x.flatten(axis), -1).reshape(x.shape))


@operator("QLinearConcat", domain=DOMAIN)
def quantised_concatenation(node: Node) -> Kernel:
    axis = node.integer("axis", 1)

    def run(y_scale: Tensor, y_zero: Tensor, *parts: Tensor) -> Tensor:
        triples = zip(parts[::3], parts[1::3], parts[2::3], strict=True)
        joined = torch.cat([dequantise(*triple) for triple in triples], axis)
        return quantise(joined, y_scale, y_zero, *output_range(y_zero))

    return run


def _channels_last(pool: Kernel) -> Kernel:
    return lambda x: pool(x.movedim(-1, 1)).movedim(1, -1)


def _pooled(node: Node, pool: Kernel) -> Kernel:
    return requantised(_channels_last(pool) if node.integer("channels_last", 0) else pool)


@operator("QLinearGlobalAveragePool", domain=DOMAIN)
def quantised_global_average(node: Node) -> Kernel:
    return _pooled(node, lambda x: x.mean(list(range(2, x.dim())), keepdim=True))


@operator("QLinearAveragePool", domain=DOMAIN)
def quantised_average(node: Node) -> Kernel:
    return _pooled(node, average_pool(node))


@operator("QGemm", domain=DOMAIN)
def quantised_gemm(node: Node) -> Kernel:
    alpha = node.number("alpha", 1.0)
    flip_a, flip_b = bool(node.integer("transA", 0)), bool(node.integer("transB", 0))

    def run(*inputs: Tensor) -> Tensor:
        left, right = operands(inputs[:6], 0, 0 if flip_b else 1)  # one scale for each column of the product
        left, right = left.t() if flip_a else left, right.t() if flip_b else right
        c, y_scale, y_zero = (*inputs[6:], None, None, None)[:3]
        y = alpha * (left @ right)
        if c is not None:
            y = y + c.to(y.dtype) * (alpha * inputs[1] * inputs[4])
        return y if y_scale is None else quantise(y, y_scale, y_zero, *output_range(y_zero))

    return run


@operator("MatMulIntegerToFloat", domain=DOMAIN)
def integer_matmul_to_float(node: Node) -> Kernel:
    def run(
        a: Tensor,
        b: Tensor,
        a_scale: Tensor,
        b_scale: Tensor,
        a_zero: Tensor | None = None,
        b_zero: Tensor | None = None,
        bias: Tensor | None = None,
    ) -> Tensor:
        y = (centred(a, a_zero, -2) @ centred(b, b_zero, -1)) * (a_scale * b_scale)
        return y if bias is None else y + bias

    return run


@operator("DynamicQuantizeMatMul", domain=DOMAIN)
def dynamically_quantised_matmul(node: Node) -> Kernel:
    quantise_input, multiply = dynamic_quantize_linear(node), integer_matmul_to_float(node)

    def run(a: Tensor, b: Tensor, b_scale: Tensor, b_zero: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        q, scale, zero = quantise_input(a)
        y: Tensor = multiply(q, b, scale, b_scale, zero, b_zero, bias)
        return y

    return run


@operator("QLinearWhere", domain=DOMAIN)
def quantised_choice(node: Node) -> Kernel:
    def run(condition: Tensor, *arguments: Tensor) -> Tensor:
        x, y = dequantise(*arguments[:3]), dequantise(*arguments[3:6])
        scale, zero = arguments[6:]
        return quantise(torch.where(condition, x, y), scale, zero, *output_range(zero))

    return run


@operator("NhwcMaxPool", domain=DOMAIN)
def max_pool_of_last_channels(node: Node) -> Kernel:
    return _channels_last(max_pool(node))


@operator("QLinearConv", domain=DOMAIN)
def quantised_convolution_of_last_channels(node: Node) -> Kernel:
    convolve = quantised_convolution(node)
    if not node.integer("channels_last", 0):
        return convolve
    return lambda x, *rest: convolve(x.movedim(-1, 1), *rest).movedim(1, -1)
