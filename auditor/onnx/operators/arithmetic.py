"""Operators that act on each element: arithmetic, comparison, logic, rounding, casts."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from auditor.onnx.node import Node
from auditor.onnx.operators.quantisation import clip as inclusive_clip
from auditor.onnx.registry import Builder, Kernel, operator
from auditor.onnx.tensors import torch_dtype

_ENDLESS = torch.finfo(torch.float32).max
"""What exporters write where a range has no upper end."""


def stateless(kernel: Kernel) -> Builder:
    """A builder for operators that no attribute changes."""
    return lambda node: kernel


def exponential(x: Tensor) -> Tensor:
    """The exponential, without a gradient where it overflows: infinity times zero would make the whole one NaN.

    Sigmoids spelt out as 1 / (1 + exp(-x)), as scikit-learn's converter writes them, get there.
    """
    over = torch.isinf(torch.exp(x.detach()))
    return torch.where(over, float("inf"), torch.exp(torch.where(over, 0.0, x)))


_UNARY: dict[str, tuple[Kernel, int]] = {
    "Abs": (torch.abs, 6),
    "Acos": (torch.acos, 7),
    "Acosh": (torch.acosh, 9),
    "Asin": (torch.asin, 7),
    "Asinh": (torch.asinh, 9),
    "Atan": (torch.atan, 7),
    "Atanh": (torch.atanh, 9),
    "BitwiseNot": (torch.bitwise_not, 18),
    "Ceil": (torch.ceil, 6),
    "Cos": (torch.cos, 7),
    "Cosh": (torch.cosh, 9),
    "Det": (torch.linalg.det, 11),
    "Erf": (torch.erf, 9),
    "Exp": (exponential, 6),
    "Floor": (torch.floor, 6),
    "IsNaN": (torch.isnan, 9),
    "Log": (torch.log, 6),
    "Neg": (torch.neg, 6),
    "Not": (torch.logical_not, 1),
    "Reciprocal": (torch.reciprocal, 6),
    "Round": (torch.round, 11),
    "Sign": (torch.sign, 9),
    "Sin": (torch.sin, 7),
    "Sinh": (torch.sinh, 9),
    "Sqrt": (torch.sqrt, 6),
    "Tan": (torch.tan, 7),
    "Tanh": (torch.tanh, 6),
}
_BINARY: dict[str, tuple[Kernel, int]] = {
    "Add": (torch.add, 7),
    "And": (torch.logical_and, 7),
    "BitwiseAnd": (torch.bitwise_and, 18),
    "BitwiseOr": (torch.bitwise_or, 18),
    "BitwiseXor": (torch.bitwise_xor, 18),
    "Equal": (torch.eq, 7),
    "Greater": (torch.gt, 7),
    "GreaterOrEqual": (torch.ge, 12),
    "Less": (torch.lt, 7),
    "LessOrEqual": (torch.le, 12),
    "Mul": (torch.mul, 7),
    "Or": (torch.logical_or, 7),
    "Sub": (torch.sub, 7),
    "Xor": (torch.logical_xor, 7),
}
_VARIADIC: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Max": torch.maximum,
    "Min": torch.minimum,
    "Sum": torch.add,
}

for _name, (_kernel, _since) in {**_UNARY, **_BINARY}.items():
    operator(_name, since=_since)(stateless(_kernel))


def _fold(combine: Callable[[Tensor, Tensor], Tensor]) -> Kernel:
    return lambda *tensors: functools.reduce(combine, tensors)


for _name, _combine in _VARIADIC.items():
    operator(_name, since=6)(stateless(_fold(_combine)))


@operator("Mean", since=6)
def mean(node: Node) -> Kernel:
    return lambda *tensors: functools.reduce(torch.add, tensors) / len(tensors)


@operator("Div", since=7)
def divide(node: Node) -> Kernel:
    def run(x: Tensor, y: Tensor) -> Tensor:
        if x.is_floating_point():
            return torch.div(x, y)
        return torch.div(x, y, rounding_mode="trunc")

    return run


@operator("Pow", since=7)
def power(node: Node) -> Kernel:
    known = node.constant(1)
    if known is not None and known.numel() == 1 and known.dim() == 0:
        exponent = known.item()
        return lambda x, y: torch.pow(x, exponent).to(x.dtype)
    return lambda x, y: torch.pow(x, y).to(x.dtype)


@operator("Mod", since=10)
def modulo(node: Node) -> Kernel:
    return torch.fmod if node.integer("fmod", 0) else torch.remainder


@operator("BitShift", since=11)
def bit_shift(node: Node) -> Kernel:
    shift = torch.bitwise_left_shift if node.text("direction", "") == "LEFT" else torch.bitwise_right_shift
    return lambda x, y: shift(x, y)


@operator("IsInf", since=10)
def is_infinite(node: Node) -> Kernel:
    positive, negative = node.integer("detect_positive", 1), node.integer("detect_negative", 1)

    def run(x: Tensor) -> Tensor:
        found = torch.isinf(x)
        if not positive:
            found = found & (x < 0)
        return found if negative else found & (x > 0)

    return run


@operator("Clip", since=6)
def clip_by_attributes(node: Node) -> Kernel:
    low = node.number("min", float("-inf"))
    high = node.number("max", float("inf"))
    return _clip_between(low, high)


def _clip_between(low: float | None, high: float | None) -> Kernel:
    """Clipping to a range, or to the half of the line where a bound is missing.

    A range of pixels lets gradients pass at its ends, where black and white lie. An activation does not, as in
    PyTorch: one bound alone is a ReLU, and [0, 6] is the range of ReLU6 and of the hard sigmoid.
    """
    if low is None and high is None:
        return lambda x, *_: x
    if low is None or high is None or (low, high) == (0, 6) or high >= _ENDLESS or low <= -_ENDLESS:
        return lambda x, *_: torch.clamp(x, low, high)
    return lambda x, *_: inclusive_clip(x, low, high)


@operator("Clip", since=11)
def clip(node: Node) -> Kernel:
    bounds: list[Any] = [node.constant(i) for i in (1, 2)]
    if all(bound is not None or not node.has_input(i) for i, bound in enumerate(bounds, start=1)):
        low, high = (None if bound is None else bound.item() for bound in bounds)
        if low is not None and high is not None:
            low = min(low, high)  # ONNX: where the bounds cross, the upper one wins
        return _clip_between(low, high)

    def run(x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
        x = x if low is None else torch.maximum(x, low)
        return x if high is None else torch.minimum(x, high)

    return run


@operator("Where", since=9)
def where(node: Node) -> Kernel:
    return lambda condition, x, y: torch.where(condition, x, y)


@operator("Cast", since=6)
def cast(node: Node) -> Kernel:
    return _caster(torch_dtype(node.integer("to", 0)), bool(node.integer("saturate", 1)))


@operator("CastLike", since=15)
def cast_like(node: Node) -> Kernel:
    saturate = bool(node.integer("saturate", 1))
    return lambda x, target: _caster(target.dtype, saturate)(x)


@operator("BitCast", since=26)
def bit_cast(node: Node) -> Kernel:
    dtype = torch_dtype(node.integer("to", 0))
    return lambda x: x.view(dtype)


def _caster(dtype: torch.dtype, saturate: bool) -> Kernel:
    """Conversion to `dtype`; to eight-bit floats by the nearest finite value where asked."""
    if not (saturate and dtype.is_floating_point and dtype.itemsize == 1):
        return lambda x: x.to(dtype)
    limit = torch.finfo(dtype).max
    return lambda x: x.float().clamp(-limit, limit).to(dtype)
