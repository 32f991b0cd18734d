"""Matrix products."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from auditor.onnx.node import Node
from auditor.onnx.operators.arithmetic import stateless
from auditor.onnx.registry import Kernel, operator

operator("MatMul")(stateless(torch.matmul))


@operator("Einsum", since=12)
def einsum(node: Node) -> Kernel:
    equation = node.text("equation", "")
    return lambda *tensors: torch.einsum(equation, *tensors)


@operator("Gemm", since=7)
def gemm(node: Node) -> Kernel:
    alpha, beta = node.number("alpha", 1.0), node.number("beta", 1.0)
    flip_a, flip_b = bool(node.integer("transA", 0)), bool(node.integer("transB", 0))

    def run(a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
        a = a.t() if flip_a else a
        if alpha == beta == 1.0 and (c is None or c.dim() == 1):
            return F.linear(a, b if flip_b else b.t(), c)
        product = a @ (b.t() if flip_b else b)
        product = product if alpha == 1.0 else alpha * product
        return product if c is None else product + (c if beta == 1.0 else beta * c)

    return run
