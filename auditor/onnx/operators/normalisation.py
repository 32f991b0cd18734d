"""Normalisation layers."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from auditor.onnx.node import Node
from auditor.onnx.registry import Kernel, operator


@operator("BatchNormalization", since=7)
def batch_normalisation(node: Node) -> Kernel:
    eps = node.number("epsilon", 1e-5)
    if node.integer("training_mode", 0):
        return _batch_normalisation_training(eps, node.number("momentum", 0.9))

    if node.opset < 9 and not node.integer("spatial", 1):
        return _batch_normalisation_per_element(eps)

    def run(x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, var: Tensor) -> Tensor:
        return F.batch_norm(x, mean, var, scale, bias, False, 0.0, eps)

    return run


def _batch_normalisation_per_element(eps: float) -> Kernel:
    return lambda x, scale, bias, mean, var: (x - mean) * torch.rsqrt(var + eps) * scale + bias


def _batch_normalisation_training(eps: float, momentum: float) -> Kernel:
    def run(x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, var: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        axes = [0, *range(2, x.dim())]
        now_mean, now_var = x.mean(axes), x.var(axes, correction=0)
        y = F.batch_norm(x, now_mean, now_var, scale, bias, False, 0.0, eps)
        return y, torch.lerp(now_mean, mean, momentum), torch.lerp(now_var, var, momentum)

    return run


@operator("InstanceNormalization", since=6)
def instance_normalisation(node: Node) -> Kernel:
    eps = node.number("epsilon", 1e-5)
    # Not those of torch.nn.functional, here and below: they refuse a single value, whose normal form is zero.
    cudnn = torch.backends.cudnn.enabled
    return lambda x, scale, bias: torch.instance_norm(x, scale, bias, None, None, True, 0.0, eps, cudnn)


# ONNX has this operator from opset 17 on; ONNX Runtime's optimiser writes it into older graphs too.
@operator("LayerNormalization")
def layer_normalisation(node: Node) -> Kernel:
    axis, eps = node.integer("axis", -1), node.number("epsilon", 1e-5)
    if node.has_output(1) or node.has_output(2):
        return _layer_normalisation_with_statistics(axis, eps)

    def run(x: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor:
        shape = x.shape[axis % x.dim() :]
        if scale.shape == shape and (bias is None or bias.shape == shape):
            return F.layer_norm(x, shape, scale, bias, eps)
        y = F.layer_norm(x, shape, None, None, eps) * scale
        return y if bias is None else y + bias

    return run


def _layer_normalisation_with_statistics(axis: int, eps: float) -> Kernel:
    def run(x: Tensor, scale: Tensor, bias: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        axes = list(range(axis % x.dim(), x.dim()))
        mean = x.mean(axes, keepdim=True)
        inverse = torch.rsqrt(x.var(axes, correction=0, keepdim=True) + eps)
        y = (x - mean) * inverse * scale
        return (y if bias is None else y + bias), mean, inverse

    return run


def root_mean_square(x: Tensor, scale: Tensor, axis: int, eps: float) -> tuple[Tensor, Tensor]:
    """`x` over its root mean square from `axis` on, times `scale`; and the factor that it took."""
    inverse = torch.rsqrt(x.square().mean(list(range(axis % x.dim(), x.dim())), keepdim=True) + eps)
    return x * inverse * scale, inverse


@operator("SimplifiedLayerNormalization")  # the name that ONNX Runtime's optimiser gave it before ONNX had it
@operator("RMSNormalization", since=23)
def rms_normalisation(node: Node) -> Kernel:
    axis, eps = node.integer("axis", -1), node.number("epsilon", 1e-5)
    return lambda x, scale: root_mean_square(x, scale, axis, eps)


@operator("GroupNormalization", since=18)
def group_normalisation_per_group(node: Node) -> Kernel:
    groups, eps = node.integer("num_groups", 1), node.number("epsilon", 1e-5)

    def run(x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
        repeats = x.shape[1] // groups
        return torch.group_norm(x, groups, scale.repeat_interleave(repeats), bias.repeat_interleave(repeats), eps)

    return run


@operator("GroupNormalization", since=21)
def group_normalisation(node: Node) -> Kernel:
    groups, eps = node.integer("num_groups", 1), node.number("epsilon", 1e-5)
    return lambda x, scale, bias: torch.group_norm(x, groups, scale, bias, eps)


@operator("LRN")
def local_response_normalisation(node: Node) -> Kernel:
    size = node.integer("size", 1)
    alpha, beta, bias = node.number("alpha", 1e-4), node.number("beta", 0.75), node.number("bias", 1.0)

    def run(x: Tensor) -> Tensor:
        squares = x.square().unsqueeze(1).flatten(3) if x.dim() > 2 else x.square()[:, None, :, None]
        padded = F.pad(squares, (0, 0, (size - 1) // 2, size // 2))
        near = F.avg_pool2d(padded, (size, 1), stride=1).reshape(x.shape)
        return x / (bias + alpha * near) ** beta

    return run


@operator("LpNormalization")
def lp_normalisation(node: Node) -> Kernel:
    axis, p = node.integer("axis", -1), node.integer("p", 2)

    def run(x: Tensor) -> Tensor:
        norm = torch.linalg.vector_norm(x, p, axis, keepdim=True)
        return torch.where(norm == 0, torch.zeros_like(x), x / norm.where(norm != 0, torch.ones_like(norm)))

    return run


@operator("MeanVarianceNormalization", since=9)
def mean_variance_normalisation(node: Node) -> Kernel:
    axes = node.integers("axes") or [0, 2, 3]

    def run(x: Tensor) -> Tensor:
        centred = x - x.mean(axes, keepdim=True)
        norm: Tensor = torch.linalg.vector_norm(centred, dim=axes, keepdim=True)
        return centred / (norm * math.sqrt(norm.numel() / max(1, x.numel())) + 1e-9)

    return run
