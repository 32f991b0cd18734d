"""Reductions over axes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from auditor.onnx.node import Node
from auditor.onnx.registry import Builder, Kernel, operator

Reduce = Callable[[Tensor, list[int], bool], Tensor]


def _product(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    for axis in sorted((a % x.dim() for a in axes), reverse=True):
        x = torch.prod(x, axis, keepdim=keep)
    return x


def _mean(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    if x.numel() == 0:  # the mean of nothing is 0 in ONNX Runtime
        return x.sum(axes, keep)
    return x.mean(axes, keep) if x.is_floating_point() else x.double().mean(axes, keep).trunc()


def _euclidean(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    # Its gradient at zero is zero, where that of a square root of squares is not a number.
    norm: Tensor = torch.linalg.vector_norm(x if x.is_floating_point() else x.double(), 2, axes, keep)
    return norm


# Operator, reduction, and the opset from which the axes are an input instead of an attribute.
_REDUCTIONS: dict[str, tuple[Reduce, int]] = {
    "ReduceL1": (lambda x, axes, keep: x.abs().sum(axes, keep), 18),
    "ReduceL2": (_euclidean, 18),
    "ReduceLogSum": (lambda x, axes, keep: x.sum(axes, keep).log(), 18),
    "ReduceLogSumExp": (lambda x, axes, keep: torch.logsumexp(x, axes, keep), 18),
    "ReduceMax": (lambda x, axes, keep: x.amax(axes, keep), 18),
    "ReduceMean": (_mean, 18),
    "ReduceMin": (lambda x, axes, keep: x.amin(axes, keep), 18),
    "ReduceProd": (_product, 18),
    "ReduceSum": (lambda x, axes, keep: x.sum(axes, keep), 13),
    "ReduceSumSquare": (lambda x, axes, keep: x.square().sum(axes, keep), 18),
}


def _by_attribute(reduce: Reduce) -> Builder:
    def build(node: Node) -> Kernel:
        axes, keep = node.integers("axes"), bool(node.integer("keepdims", 1))
        return lambda x: reduce(x, axes or list(range(x.dim())), keep).to(x.dtype)

    return build


def _by_input(reduce: Reduce) -> Builder:
    def build(node: Node) -> Kernel:
        keep, noop = bool(node.integer("keepdims", 1)), bool(node.integer("noop_with_empty_axes", 0))

        def run(x: Tensor, axes: list[int] | None = None) -> Tensor:
            if not axes:
                # With nothing to reduce over, what the operator does to each element still happens.
                axes = [] if noop else list(range(x.dim()))
                if noop:
                    return reduce(x.unsqueeze(0), [0], False).to(x.dtype)
            return reduce(x, axes, keep).to(x.dtype)

        return run

    return build


for _name, (_reduce, _since) in _REDUCTIONS.items():
    operator(_name)(_by_attribute(_reduce))
    operator(_name, since=_since, host=(1,))(_by_input(_reduce))


def _argument(find: Callable[..., Tensor]) -> Builder:
    def build(node: Node) -> Kernel:
        axis, keep = node.integer("axis", 0), bool(node.integer("keepdims", 1))
        if not node.integer("select_last_index", 0):
            return lambda x: find(x, axis, keep)
        return lambda x: x.shape[axis] - 1 - find(x.flip(axis), axis, keep)

    return build


operator("ArgMax")(_argument(torch.argmax))
operator("ArgMin")(_argument(torch.argmin))


@operator("CumSum", since=11, host=(1,))
def cumulative_sum(node: Node) -> Kernel:
    return _cumulative(node, torch.cumsum, 0)


@operator("CumProd", since=26, host=(1,))
def cumulative_product(node: Node) -> Kernel:
    return _cumulative(node, torch.cumprod, 1)


def _cumulative(node: Node, scan: Callable[..., Tensor], neutral: int) -> Kernel:
    exclusive, reverse = node.integer("exclusive", 0), node.integer("reverse", 0)

    def run(x: Tensor, axis: int | list[int]) -> Tensor:
        dim = axis[0] if isinstance(axis, list) else axis
        x = x.flip(dim) if reverse else x
        if exclusive:
            first = torch.full_like(x.narrow(dim, 0, 1), neutral)
            x = torch.cat([first, x.narrow(dim, 0, x.shape[dim] - 1)], dim)
        total = scan(x, dim, dtype=x.dtype)
        return total.flip(dim) if reverse else total

    return run
