"""Operators of ONNX Runtime's own domain, com.microsoft, as its quantiser and its optimiser write them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from auditor.onnx.node import Node
from auditor.onnx.operators.integer import _centred, output_range, requantised
from auditor.onnx.operators.pooling import average_pool
from auditor.onnx.operators.quantisation import (
    along,
    dequantise,
    dequantize_linear,
    dynamic_quantize_linear,
    quantise,
    quantize_linear,
)
from auditor.onnx.registry import Builder, Kernel, operator

DOMAIN = "com.microsoft"

operator("QuantizeLinear", domain=DOMAIN)(quantize_linear)
operator("DequantizeLinear", domain=DOMAIN)(dequantize_linear)


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


def _last_channels(node: Node, pool: Kernel) -> Kernel:
    if not node.integer("channels_last", 0):
        return pool
    return lambda x: pool(x.movedim(-1, 1)).movedim(1, -1)


@operator("QLinearGlobalAveragePool", domain=DOMAIN)
def quantised_global_average(node: Node) -> Kernel:
    return requantised(_last_channels(node, lambda x: x.mean(list(range(2, x.dim())), keepdim=True)))


@operator("QLinearAveragePool", domain=DOMAIN)
def quantised_average(node: Node) -> Kernel:
    return requantised(_last_channels(node, average_pool(node)))


@operator("QGemm", domain=DOMAIN)
def quantised_gemm(node: Node) -> Kernel:
    alpha = node.number("alpha", 1.0)
    flip_a, flip_b = bool(node.integer("transA", 0)), bool(node.integer("transB", 0))

    def run(
        a: Tensor,
        a_scale: Tensor,
        a_zero: Tensor,
        b: Tensor,
        b_scale: Tensor,
        b_zero: Tensor,
        c: Tensor | None = None,
        y_scale: Tensor | None = None,
        y_zero: Tensor | None = None,
    ) -> Tensor:
        side = 0 if flip_b else 1  # one scale for each column of the product
        left = dequantise(a.t() if flip_a else a, a_scale, a_zero)
        right = dequantise(b, along(b_scale, b, side), along(b_zero, b, side))
        y = alpha * (left @ (right.t() if flip_b else right))
        if c is not None:
            y = y + c.to(y.dtype) * (alpha * a_scale * b_scale)
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
        y = (_centred(a, a_zero, -2) @ _centred(b, b_zero, -1)) * (a_scale * b_scale)
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


@operator("Gelu", domain=DOMAIN)
def gelu(node: Node) -> Kernel:
    return F.gelu


@operator("BiasGelu", domain=DOMAIN)
def bias_gelu(node: Node) -> Kernel:
    return lambda x, bias: F.gelu(x + bias)


@operator("FastGelu", domain=DOMAIN)
def fast_gelu(node: Node) -> Kernel:
    return lambda x, bias=None: F.gelu(x if bias is None else x + bias, approximate="tanh")


@operator("QuickGelu", domain=DOMAIN)
def quick_gelu(node: Node) -> Kernel:
    alpha = node.number("alpha", 1.702)
    return lambda x: x * torch.sigmoid(alpha * x)


@operator("FusedMatMul", domain=DOMAIN)
def fused_matmul(node: Node) -> Kernel:
    alpha = node.number("alpha", 1.0)
    flip_a, flip_b = bool(node.integer("transA", 0)), bool(node.integer("transB", 0))
    if node.integer("transBatchA", 0) or node.integer("transBatchB", 0):
        raise node.error("moves batch dimensions, which the twin does not do")

    def run(a: Tensor, b: Tensor) -> Tensor:
        return alpha * ((a.mT if flip_a else a) @ (b.mT if flip_b else b))

    return run


@operator("SkipLayerNormalization", domain=DOMAIN)
def skip_layer_normalisation(node: Node) -> Kernel:
    eps = node.number("epsilon", 1e-12)

    def run(
        x: Tensor, skip: Tensor, scale: Tensor, shift: Tensor | None = None, bias: Tensor | None = None
    ) -> tuple[Tensor, None, None, Tensor]:
        total = x + skip if bias is None else x + skip + bias
        return F.layer_norm(total, scale.shape, scale, shift, eps), None, None, total

    return run
