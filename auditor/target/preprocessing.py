"""From `[0, 1]` pixels to the network's input; differentiable, so that budgets are in pixels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """Pixels `(N, C, H, W)` in `[0, 1]` to what the network wants; the steps run in the order of the attributes.

    Attributes:
        size: `(H, W)` to scale to (bilinear, antialiased), or None.
        channels: gray samples are repeated to so many channels; None leaves them.
        channel_order: `bgr` flips the channels.
        input_range: pixels are mapped from `[0, 1]` to this range.
        mean, std: then `(x - mean) / std` per channel, in units of that range; empty leaves them.
        rounded: then rounded to whole numbers, for networks that take integers; gradients pass as if it were not.
        layout: `nchw`, `nhwc` or `flat`.
        shape: the network's input shape without the batch, reshaped to at the end; None leaves it.
    """

    size: tuple[int, int] | None = None
    channels: int | None = None
    channel_order: Literal["rgb", "bgr"] = "rgb"
    input_range: tuple[float, float] = (0.0, 1.0)
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    rounded: bool = False
    layout: Literal["nchw", "nhwc", "flat"] = "nchw"
    shape: tuple[int, ...] | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """Network inputs for `x`; gradients flow through."""
        if self.size is not None and tuple(x.shape[-2:]) != self.size:
            x = functional.interpolate(x, self.size, mode="bilinear", align_corners=False, antialias=True)
        if self.channels is not None and x.shape[1] == 1:
            x = x.expand(-1, self.channels, *x.shape[2:])
        if self.channel_order == "bgr":
            x = x.flip(1)
        low, high = self.input_range
        if (low, high) != (0.0, 1.0):
            x = x * (high - low) + low
        if self.mean or self.std:
            x = (x - _per_channel(self.mean or (0.0,), x)) / _per_channel(self.std or (1.0,), x)
        if self.rounded:
            x = x + (x.round() - x).detach()
        if self.layout == "nhwc":
            x = x.permute(0, 2, 3, 1)
        if self.layout == "flat":
            x = x.flatten(1)
        return x if self.shape is None else x.reshape(len(x), *self.shape)

    def describe(self) -> str:
        """In words, for the report: `"scaled to 224x224, mean (…), std (…), NHWC"`; `"none"` where nothing happens."""
        parts = []
        if self.size:
            parts.append(f"scaled to {self.size[0]}x{self.size[1]}")
        if self.channels:
            parts.append(f"gray repeated to {self.channels} channels")
        if self.channel_order == "bgr":
            parts.append("channels BGR")
        if self.input_range != (0.0, 1.0):
            parts.append(f"range {self.input_range[0]:g} to {self.input_range[1]:g}")
        if self.mean:
            parts.append(f"mean ({', '.join(f'{v:g}' for v in self.mean)})")
        if self.std:
            parts.append(f"std ({', '.join(f'{v:g}' for v in self.std)})")
        if self.rounded:
            parts.append("rounded to whole numbers")
        if self.layout != "nchw":
            parts.append(self.layout.upper())
        if self.shape is not None:
            parts.append(f"shape {'x'.join(map(str, self.shape))}")
        return ", ".join(parts) or "none"


def _per_channel(values: tuple[float, ...], like: Tensor) -> Tensor:
    return _constant(values, like.dtype, like.device).view(1, -1, *([1] * (like.dim() - 2)))


@lru_cache(maxsize=64)
def _constant(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    # Copied to the device once: a copy from the host in every pass would make an accelerator wait.
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=dtype, device=device)
