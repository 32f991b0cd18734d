"""Other forms of a network: its batch normalisation folded, its memory laid out otherwise, its numbers in bfloat16.

A form computes what the network computes, up to rounding. Which one is worth its rounding is measured in `search`.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

Change: TypeAlias = Callable[[nn.Module], nn.Module]
"""A module to a changed copy of it."""

Numbers: TypeAlias = Literal["float32", "bfloat16", "autocast"]


@dataclass(frozen=True, kw_only=True)
class Form:
    """How a copy of a network computes.

    Attributes:
        numbers: `bfloat16` holds weights and activations in it; `autocast` lets PyTorch decide for every operation.
        channels_last: images lie in memory pixel by pixel and not channel by channel.
        folded: batch normalisation is part of the convolution before it, where there is one.
    """

    numbers: Numbers = "float32"
    channels_last: bool = False
    folded: bool = False

    def __call__(self, module: nn.Module) -> nn.Module:
        """The module in this form: a copy in eval mode, its parameters without gradients; the module stays as it is."""
        return _Formed(_copy(_folded(module) if self.folded else module, self), self)

    @property
    def precision(self) -> Literal["float32", "bfloat16"]:
        """What most of its numbers are held in."""
        return "float32" if self.numbers == "float32" else "bfloat16"

    def describe(self) -> str:
        """In words, for the report."""
        words: list[str] = [self.precision]
        words += ["by autocast"] if self.numbers == "autocast" else []
        words += ["channels last"] if self.channels_last else []
        words += ["batch normalisation folded"] if self.folded else []
        return ", ".join(words)


class _Formed(nn.Module):
    """Brings inputs into the form of the module that they are for."""

    def __init__(self, module: nn.Module, form: Form) -> None:
        super().__init__()
        self.module = module
        self._autocast = form.numbers == "autocast"
        self._dtype = torch.bfloat16 if form.numbers == "bfloat16" else None
        self._channels_last = form.channels_last
        self.training = False

    def forward(self, x: Tensor, **others: Any) -> Any:
        inputs = {name: self._brought(value) for name, value in others.items()}
        x = self._brought(x)
        if not self._autocast:
            return self.module(x, **inputs)
        with torch.autocast(x.device.type, torch.bfloat16):
            return self.module(x, **inputs)

    def _brought(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        if self._dtype is not None and value.is_floating_point():
            value = value.to(self._dtype)
        image = self._channels_last and value.dim() == 4
        return value.contiguous(memory_format=torch.channels_last) if image else value


def folds(module: nn.Module) -> bool:
    """Whether there is batch normalisation to fold."""
    return any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in module.modules())


def lies_channels_last(module: nn.Module) -> bool:
    """Whether its convolutions' weights do, and with them what it computes."""
    images = [weight for weight in module.parameters() if weight.dim() == 4 and not weight.is_contiguous()]
    return any(weight.is_contiguous(memory_format=torch.channels_last) for weight in images)


def _folded(module: nn.Module) -> nn.Module:
    from torch.fx.experimental.optimization import fuse

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fuse(module)


def _copy(module: nn.Module, form: Form) -> nn.Module:
    """A copy whose weights are in the form; no weight is copied twice on the way."""
    memo: dict[int, Any] = {}
    for part in module.modules():
        # Its sums run in float32 whatever it is given, so its numbers may stay as exact as they are.
        exact = form.numbers != "bfloat16" or isinstance(part, nn.modules.batchnorm._BatchNorm)
        for tensor in _own(part):
            made = tensor.detach() if exact or not tensor.is_floating_point() else tensor.detach().bfloat16()
            if form.channels_last and made.dim() == 4:
                made = made.contiguous(memory_format=torch.channels_last)
            memo[id(tensor)] = nn.Parameter(made, requires_grad=False) if isinstance(tensor, nn.Parameter) else made
    return copy.deepcopy(module, memo).eval()


def _own(part: nn.Module) -> Iterator[Tensor]:
    yield from part.parameters(recurse=False)
    yield from part.buffers(recurse=False)
