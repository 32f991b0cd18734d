"""The input gradient of a network's first convolution on a CPU, where PyTorch's own is slow.

PyTorch's kernels work on the input's channels side by side, and images have one or three: the gradient of a strided
stem costs many times its forward pass, in small networks most of an attack. Written as a convolution of the output's
gradient that has a channel for every place within a stride, which are then laid out as pixels (the sub-pixel
convolution of Shi et al., arXiv:1609.05158), it costs about as much as the forward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.grad import conv2d_weight
from torch.overrides import TorchFunctionMode

Pair: TypeAlias = tuple[int, int]

_CHANNELS = 4
"""Channels of the input up to which PyTorch's own gradient is slower."""
_FEW = 16
"""Phases that are copied one by one; beyond, the calls would cost more."""


class Stems(TorchFunctionMode):
    """Within it, strided convolutions of few channels on a CPU take the gradient of their input the faster way."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        # `functional.conv2d` is the same object.
        if func is torch.conv2d and (answer := _stem(*args, **(kwargs or {}))) is not None:
            return answer
        return func(*args, **(kwargs or {}))


def _stem(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor | None:
    """What a convolution answers, if it is such a stem."""
    if not input.requires_grad or input.device.type != "cpu" or input.dim() != 4:
        return None
    few = groups == 1 and weight.shape[1] <= _CHANNELS and _pair(dilation) == (1, 1)
    if not few or isinstance(padding, str) or min(_pair(stride)) == 1:
        return None
    answer: Tensor = _Stem.apply(input, weight, bias, _pair(stride), _pair(padding))
    return answer


def _pair(value: Any) -> Pair:
    return (value, value) if isinstance(value, int) else (value[0], value[-1])


class _Stem(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None, stride: Pair, padding: Pair) -> Tensor:
        return torch.conv2d(x, weight, bias, stride, padding)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, weight, _, ctx.stride, ctx.padding = inputs
        ctx.size = (x.shape[2], x.shape[3])
        # Who attacks asks for the samples' gradient alone, who trains may ask for that of the weights too.
        ctx.save_for_backward(weight, x if weight.requires_grad else None)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        weight, x = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad[:3]
        # Autocast has the dtypes differ.
        kind = gradient.dtype
        return (
            input_gradient(gradient, weight.to(kind), ctx.size, ctx.stride, ctx.padding) if of_x else None,
            _of_weight(x.to(kind), weight, gradient, ctx) if of_weight else None,
            gradient.sum((0, 2, 3)) if of_bias else None,
            None,
            None,
        )


def _of_weight(x: Tensor, weight: Tensor, gradient: Tensor, ctx: Any) -> Tensor:
    made: Tensor = conv2d_weight(x, weight.shape, gradient, ctx.stride, ctx.padding)  # type: ignore[no-untyped-call]
    return made


def input_gradient(gradient: Tensor, weight: Tensor, size: Pair, stride: Pair, padding: Pair) -> Tensor:
    """The gradient of a convolution's input, `(N, C, *size)`, from that of its output, `(N, K, h, w)`, and the weight.

    In each dimension, input pixel `stride * m + r` reaches output `o` through entry `stride * (m - o) + r + padding` of
    the kernel. For every `r` that is a convolution over `m` with each stride-th entry.
    """
    (down, across), (high, wide) = stride, weight.shape[2:]
    (above, below, rows), (left, right, columns) = (
        _reach(*dimension) for dimension in zip(weight.shape[2:], stride, padding, strict=True)
    )
    # Zeros around the kernel, until it is one entry for each `r` of each output in reach.
    before = (across * right - padding[1], down * below - padding[0])
    zeros = (before[0], across * columns - before[0] - wide, before[1], down * rows - before[1] - high)
    kernel = functional.pad(weight, zeros).reshape(*weight.shape[:2], rows, down, columns, across).flip(2, 4)
    kernel = kernel.permute(1, 3, 5, 0, 2, 4).reshape(-1, len(weight), rows, columns)
    height, width = (-(-pixels // step) for pixels, step in zip(size, stride, strict=True))
    around = (left, width + right - gradient.shape[3], above, height + below - gradient.shape[2])
    if around[0] == around[1] and around[2] == around[3]:
        phases = torch.conv2d(gradient, kernel, padding=(above, left))
    else:
        phases = torch.conv2d(functional.pad(gradient, around), kernel)
    parted = torch.unflatten(phases, 1, (weight.shape[1], down, across))
    return _interleaved(parted)[..., : size[0], : size[1]]


def _interleaved(phases: Tensor) -> Tensor:
    """Phases `(N, C, down, across, h, w)` as pixels, `(N, C, h * down, w * across)`."""
    count, channels, down, across, height, width = phases.shape
    if down * across > _FEW:
        return phases.permute(0, 1, 4, 2, 5, 3).reshape(count, channels, height * down, width * across)
    # One after the other, each of which is read and written in long strides, takes a third of the time.
    pixels = phases.new_empty(count, channels, height, down, width, across)
    for row in range(down):
        for column in range(across):
            pixels[:, :, :, row, :, column] = phases[:, :, row, column]
    return pixels.view(count, channels, height * down, width * across)


def _reach(kernel: int, stride: int, padding: int) -> tuple[int, int, int]:
    """How many outputs before and behind its own stride a pixel reaches, and how many in all."""
    before, behind = max(0, (kernel - 1 - padding) // stride), (stride - 1 + padding) // stride
    return before, behind, before + behind + 1
