"""From `[0, 1]` pixels to the network's input; differentiable, so that budgets are in pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """Pixels `(N, C, H, W)` in `[0, 1]` to what the network wants: size, channel order, scale, layout, shape.

    Attributes:
        size: `(H, W)` to scale to (bilinear, antialiased), or None.
        channel_order: `bgr` flips the channels.
        input_range: pixels are mapped from `[0, 1]` to this range first.
        mean, std: then `(x - mean) / std` per channel, in units of that range; empty leaves them.
        layout: `nchw`, `nhwc` or `flat`.
        shape: the network's input shape without the batch, reshaped to at the end; None leaves it.
    """

    size: tuple[int, int] | None = None
    channel_order: Literal["rgb", "bgr"] = "rgb"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    input_range: tuple[float, float] = (0.0, 1.0)
    layout: Literal["nchw", "nhwc", "flat"] = "nchw"
    shape: tuple[int, ...] | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """Network inputs for `x`; gradients flow through."""
        if self.size is not None and tuple(x.shape[-2:]) != self.size:
            x = functional.interpolate(x, self.size, mode="bilinear", align_corners=False, antialias=True)
        if self.channel_order == "bgr":
            x = x.flip(1)
        low, high = self.input_range
        if (low, high) != (0.0, 1.0):
            x = x * (high - low) + low
        if self.mean or self.std:
            x = (x - self._channels(self.mean or (0.0,), x)) / self._channels(self.std or (1.0,), x)
        if self.layout == "nhwc":
            x = x.permute(0, 2, 3, 1)
        if self.layout == "flat":
            x = x.flatten(1)
        return x if self.shape is None else x.reshape(len(x), *self.shape)

    @staticmethod
    def _channels(values: tuple[float, ...], like: Tensor) -> Tensor:
        return torch.tensor(values, dtype=like.dtype, device=like.device).view(1, -1, *([1] * (like.dim() - 2)))

    def describe(self) -> str:
        """In words, for the report: `"scaled to 224x224, mean (…), std (…), NHWC"`; `"none"` where nothing happens."""
        parts = []
        if self.size:
            parts.append(f"scaled to {self.size[0]}x{self.size[1]}")
        if self.channel_order == "bgr":
            parts.append("channels BGR")
        if self.input_range != (0.0, 1.0):
            parts.append(f"range {self.input_range[0]:g} to {self.input_range[1]:g}")
        if self.mean:
            parts.append(f"mean ({', '.join(f'{v:g}' for v in self.mean)})")
        if self.std:
            parts.append(f"std ({', '.join(f'{v:g}' for v in self.std)})")
        if self.layout != "nchw":
            parts.append(self.layout.upper())
        if self.shape is not None:
            parts.append(f"shape {'x'.join(map(str, self.shape))}")
        return ", ".join(parts) or "none"
