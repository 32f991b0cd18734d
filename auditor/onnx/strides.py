"""How images lie in memory: on a CPU pixel by pixel (channels last), as PyTorch's convolutions compute there.

Whatever lies otherwise they rearrange before and after, forth and back, which takes up to two thirds of a pass.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_LAST = torch.channels_last


def lay(module: nn.Module) -> None:
    """Lay the weights of convolutions out as suits the device that they are on; in place, their numbers stay."""
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.dim() == 4:
            order = _LAST if tensor.device.type == "cpu" else torch.contiguous_format
            tensor.data = tensor.data.contiguous(memory_format=order)


def pixel_by_pixel(x: Tensor) -> Tensor:
    """Images `(N, C, H, W)` with their channels last in memory, on a CPU; elsewhere as they are."""
    return x.contiguous(memory_format=_LAST) if _matters(x) else x


def before_flattening(x: Tensor) -> Tensor:
    """The same, its gradient brought into its own order in memory: what becomes of it lies channel by channel, and so
    would the gradient, which all operators before would have to read across."""
    if x.dim() != 4 or not x.requires_grad or x.is_contiguous() or not _matters(x):
        return x
    if x.is_contiguous(memory_format=_LAST):
        x.register_hook(pixel_by_pixel)  # type: ignore[no-untyped-call]
    return x


def _matters(x: Tensor) -> bool:
    """On a CPU, unless `torch.func` or a compiler looks on, to which order in memory is no property."""
    watched = torch.compiler.is_compiling() or torch._C._functorch.is_functorch_wrapped_tensor(x)
    return not watched and x.device.type == "cpu"
