"""Activation functions, softmax included."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from auditor.onnx.node import Node
from auditor.onnx.operators.arithmetic import stateless
from auditor.onnx.registry import Kernel, operator

operator("Relu", since=6)(stateless(torch.relu))
operator("Sigmoid", since=6)(stateless(torch.sigmoid))
operator("Softsign")(stateless(F.softsign))
operator("HardSwish", since=14)(stateless(F.hardswish))
operator("Mish", since=18)(stateless(F.mish))


@operator("Softplus")
def softplus(node: Node) -> Kernel:
    return lambda x: torch.logaddexp(x, torch.zeros_like(x))  # exact everywhere; torch's own switches at 20


@operator("LeakyRelu", since=6)
def leaky_relu(node: Node) -> Kernel:
    alpha = node.number("alpha", 0.01)
    return lambda x: F.leaky_relu(x, alpha)


@operator("PRelu", since=7)
def prelu(node: Node) -> Kernel:
    return lambda x, slope: torch.where(x >= 0, x, x * slope)


@operator("Elu", since=6)
def elu(node: Node) -> Kernel:
    alpha = node.number("alpha", 1.0)
    return lambda x: F.elu(x, alpha)


@operator("Celu", since=12)
def celu(node: Node) -> Kernel:
    alpha = node.number("alpha", 1.0)
    return lambda x: F.celu(x, alpha)


@operator("Selu", since=6)
def selu(node: Node) -> Kernel:
    alpha = node.number("alpha", 1.67326319217681884765625)
    gamma = node.number("gamma", 1.05070102214813232421875)
    return lambda x: gamma * F.elu(x, alpha)


@operator("HardSigmoid", since=6)
def hard_sigmoid(node: Node) -> Kernel:
    alpha, beta = node.number("alpha", 0.2), node.number("beta", 0.5)
    return lambda x: torch.clamp(alpha * x + beta, 0.0, 1.0)


@operator("ThresholdedRelu", since=10)
def thresholded_relu(node: Node) -> Kernel:
    alpha = node.number("alpha", 1.0)
    return lambda x: torch.where(x > alpha, x, torch.zeros_like(x))


@operator("Shrink", since=9)
def shrink(node: Node) -> Kernel:
    bias, limit = node.number("bias", 0.0), node.number("lambd", 0.5)

    def run(x: Tensor) -> Tensor:
        zero = torch.zeros_like(x)
        return torch.where(x < -limit, x + bias, torch.where(x > limit, x - bias, zero))

    return run


@operator("Gelu", since=20)
def gelu(node: Node) -> Kernel:
    approximate = node.text("approximate", "none")
    return lambda x: F.gelu(x, approximate=approximate)


@operator("Swish", since=24)
def swish(node: Node) -> Kernel:
    alpha = node.number("alpha", 1.0)
    return F.silu if math.isclose(alpha, 1.0) else lambda x: x * torch.sigmoid(alpha * x)


@operator("Softmax", since=13)
def softmax(node: Node) -> Kernel:
    axis = node.integer("axis", -1)
    return lambda x: torch.softmax(x, axis)


@operator("LogSoftmax", since=13)
def log_softmax(node: Node) -> Kernel:
    axis = node.integer("axis", -1)
    return lambda x: torch.log_softmax(x, axis)


@operator("Hardmax", since=13)
def hardmax(node: Node) -> Kernel:
    axis = node.integer("axis", -1)
    return lambda x: _one_hot(x, axis)


def _one_hot(x: Tensor, axis: int) -> Tensor:
    return torch.zeros_like(x).scatter(axis, x.argmax(axis, keepdim=True), 1.0)


def _flattened(kernel: Kernel, axis: int) -> Kernel:
    """Before opset 13 these took all dimensions from `axis` on as one."""

    def run(x: Tensor) -> Tensor:
        first = axis % x.dim()
        y: Tensor = kernel(x.flatten(first))
        return y.reshape(x.shape)

    return run


@operator("Softmax")
def softmax_flattened(node: Node) -> Kernel:
    return _flattened(lambda x: torch.softmax(x, -1), node.integer("axis", 1))


@operator("LogSoftmax")
def log_softmax_flattened(node: Node) -> Kernel:
    return _flattened(lambda x: torch.log_softmax(x, -1), node.integer("axis", 1))


@operator("Hardmax")
def hardmax_flattened(node: Node) -> Kernel:
    return _flattened(lambda x: _one_hot(x, -1), node.integer("axis", 1))
