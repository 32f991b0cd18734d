"""Fused operators of ONNX Runtime's own domain, com.microsoft, as its optimiser writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from auditor.onnx.node import Node
from auditor.onnx.operators.arithmetic import stateless
from auditor.onnx.operators.convolution import convolution, transposed_convolution
from auditor.onnx.operators.indexing import triangle, unique
from auditor.onnx.operators.linear import gemm
from auditor.onnx.operators.normalisation import root_mean_square
from auditor.onnx.operators.resize import grid_sample
from auditor.onnx.operators.shape import arange, pad
from auditor.onnx.registry import NEWEST, Kernel, find_operator, operator

DOMAIN = "com.microsoft"

operator("Gelu", domain=DOMAIN)(stateless(F.gelu))
operator("BiasGelu", domain=DOMAIN)(stateless(lambda x, bias: F.gelu(x + bias)))
operator("Inverse", domain=DOMAIN)(stateless(torch.linalg.inv))
operator("GridSample", domain=DOMAIN)(grid_sample)
operator("Pad", domain=DOMAIN, host=(1, 2))(pad)
operator("Range", domain=DOMAIN)(arange)
operator("Trilu", domain=DOMAIN, host=(1,))(triangle)


@operator("Unique", domain=DOMAIN)
def unique_in_order(node: Node) -> Kernel:
    find = unique(replace(node, attributes={"sorted": 0}))

    def run(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        found, _, inverse, counts = find(x)
        return found, inverse, counts

    return run


@operator("FastGelu", domain=DOMAIN)
def fast_gelu(node: Node) -> Kernel:
    return lambda x, bias=None: F.gelu(x if bias is None else x + bias, approximate="tanh")


@operator("QuickGelu", domain=DOMAIN)
def quick_gelu(node: Node) -> Kernel:
    alpha = node.number("alpha", 1.702)
    return lambda x: x * torch.sigmoid(alpha * x)


@operator("ExpandDims", domain=DOMAIN, host=(1,))
def expand_dims(node: Node) -> Kernel:
    return lambda x, axis: x.unsqueeze(axis[0] if isinstance(axis, list) else axis)


@operator("CDist", domain=DOMAIN)
def pairwise_distance(node: Node) -> Kernel:
    squared = node.text("metric", "sqeuclidean") == "sqeuclidean"

    def run(a: Tensor, b: Tensor) -> Tensor:
        difference = a.unsqueeze(-2) - b.unsqueeze(-3)
        return difference.square().sum(-1) if squared else torch.linalg.vector_norm(difference, dim=-1)

    return run


def _activation(node: Node, attributes: Mapping[str, Any]) -> Kernel:
    """The kernel of the ONNX operator that the attribute `activation` names; the identity where it is absent."""
    name = node.text("activation", "")
    if not name:
        return lambda x: x
    # The oldest Clip takes its bounds as attributes, which is how they are written here.
    found = find_operator(name, "", 6 if name == "Clip" else NEWEST)
    if found is None:
        raise node.error(f"has the unknown activation {name!r}")
    return found.build(replace(node, op_type=name, domain="", attributes=attributes))


_PARAMETERS = {"LeakyRelu": ("alpha",), "Clip": ("min", "max"), "HardSigmoid": ("alpha", "beta")}


@operator("FusedConv", domain=DOMAIN)
def fused_convolution(node: Node) -> Kernel:
    convolve = convolution(node)
    names = _PARAMETERS.get(node.text("activation", ""), ())
    activate = _activation(node, dict(zip(names, node.numbers("activation_params") or [], strict=False)))

    def run(x: Tensor, weight: Tensor, bias: Tensor | None = None, total: Tensor | None = None) -> Tensor:
        y = convolve(x, weight, bias)
        result: Tensor = activate(y if total is None else y + total)
        return result

    return run


def _prefixed(node: Node) -> dict[str, Any]:
    """The activation's own attributes: `activation_alpha` is its `alpha`."""
    prefix = "activation_"
    return {key.removeprefix(prefix): value for key, value in node.attributes.items() if key.startswith(prefix)}


@operator("FusedGemm", domain=DOMAIN)
def fused_gemm(node: Node) -> Kernel:
    multiply, activate = gemm(node), _activation(node, _prefixed(node))
    return lambda a, b, c=None: activate(multiply(a, b, c))


@operator("TransposeMatMul", domain=DOMAIN)
@operator("FusedMatMul", domain=DOMAIN)
@operator("FusedMatMulActivation", domain=DOMAIN)
def fused_matmul(node: Node) -> Kernel:
    alpha, activate = node.number("alpha", 1.0), _activation(node, _prefixed(node))

    def arranged(x: Tensor, side: str) -> Tensor:
        # With `transBatch` a matrix's rows are the first dimension, in front of those of the batch.
        x = x.movedim(0, -2) if node.integer(f"transBatch{side}", 0) else x
        return x.mT if node.integer(f"trans{side}", 0) and x.dim() > 1 else x

    def run(a: Tensor, b: Tensor) -> Tensor:
        product = arranged(a, "A") @ arranged(b, "B")
        result: Tensor = activate(product if alpha == 1.0 else alpha * product)
        return result

    return run


@operator("ConvTransposeWithDynamicPads", domain=DOMAIN, host=(2,))
def transposed_convolution_with_padding_as_input(node: Node) -> Kernel:
    def run(x: Tensor, weight: Tensor, pads: list[int] | None = None, bias: Tensor | None = None) -> Tensor:
        given = replace(node, attributes={**node.attributes, **({} if pads is None else {"pads": pads})})
        result: Tensor = transposed_convolution(given)(x, weight, bias)
        return result

    return run


def _with_skip(x: Tensor, skip: Tensor, bias: Tensor | None) -> Tensor:
    return x + skip if bias is None else x + skip + bias


@operator("SkipLayerNormalization", domain=DOMAIN)
def skip_layer_normalisation(node: Node) -> Kernel:
    eps = node.number("epsilon", 1e-12)

    def run(
        x: Tensor, skip: Tensor, scale: Tensor, shift: Tensor | None = None, bias: Tensor | None = None
    ) -> tuple[Tensor, None, None, Tensor]:
        total = _with_skip(x, skip, bias)
        return F.layer_norm(total, scale.shape, scale, shift, eps), None, None, total

    return run


@operator("SkipSimplifiedLayerNormalization", domain=DOMAIN)
def skip_root_mean_square_normalisation(node: Node) -> Kernel:
    eps = node.number("epsilon", 1e-12)

    def run(x: Tensor, skip: Tensor, scale: Tensor, bias: Tensor | None = None) -> tuple[Tensor, None, Tensor, Tensor]:
        total = _with_skip(x, skip, bias)
        y, inverse = root_mean_square(total, scale, -1, eps)
        return y, None, inverse, total

    return run
