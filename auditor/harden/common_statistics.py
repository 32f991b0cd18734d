"""Batch normalisation over a batch that several processes share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from auditor.harden.crew import Crew


class CommonStatistics(TorchFunctionMode):
    """Within it, batch normalisation in training mode takes the statistics of the batch of all processes together."""

    def __init__(self, crew: Crew) -> None:
        super().__init__()
        self._crew = crew

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is functional.batch_norm:
            return self._normalised(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))

    def _normalised(
        self,
        x: Tensor,
        mean: Tensor | None,
        variance: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        if not training:
            return functional.batch_norm(x, mean, variance, weight, bias, training, momentum, eps)
        shape, axes = (1, -1, *[1] * (x.dim() - 2)), (0, *range(2, x.dim()))
        wide = x if x.dtype == torch.float64 else x.float()
        size = wide.new_tensor([wide.numel() / wide.shape[1]])
        sums, size = torch.split(self._total(torch.cat([wide.sum(axes), size])), [x.shape[1], 1])
        middle = sums / size
        centred = wide - middle.view(shape)
        spread = self._total(centred.square().sum(axes)) / size
        with torch.no_grad():
            if mean is not None and variance is not None:
                mean.lerp_(middle.to(mean.dtype), momentum)
                variance.lerp_((spread * size / (size - 1.0).clamp_min(1.0)).to(variance.dtype), momentum)
        made = centred * (spread + eps).rsqrt().view(shape)
        made = made if weight is None else made * weight.view(shape)
        return (made if bias is None else made + bias.view(shape)).to(x.dtype)

    def _total(self, value: Tensor) -> Tensor:
        total: Tensor = _Sum.apply(value, self._crew)
        return total


class _Sum(torch.autograd.Function):
    """The sum over all processes. Each of them depends on each one's part, so gradients are summed as well."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, crew: Crew) -> Tensor:
        ctx.crew = crew
        return crew.total(value)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return _Sum.apply(gradients[0], ctx.crew), None
