"""What JPEG does to an image, differentiable: Shin & Song, "JPEG-resistant adversarial images" (NIPS workshop 2017)."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from auditor.types import Images

_SIDE = 8
# ITU-T T.81, annex K: steps of the 64 frequencies at quality 50, of brightness and of colour.
_BRIGHTNESS = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_COLOUR = ((17, 18, 24, 47), (18, 21, 26, 66), (24, 26, 56, 99), (47, 66, 99, 99))
# JFIF: brightness and the two colour differences from red, green and blue.
_TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


def smooth_jpeg(x: Images, quality: int) -> Images:
    """Roughly what a codec of this quality makes of `(N, 1 or 3, H, W)` in `[0, 1]`, colours at half the resolution."""
    brightness, colour, waves, to_ycc = _constants(quality, x.device)
    levels = x * 255.0 - 128.0
    if x.shape[1] == 1:
        return (_coded(levels, brightness, waves) + 128.0) / 255.0
    # Black is -128 in brightness and 0 in colour, as the sums of the rows say.
    ycc = torch.einsum("ij,njhw->nihw", to_ycc, levels)
    height, width = x.shape[2:]
    halved = functional.avg_pool2d(_filled(ycc[:, 1:], 2), 2)
    doubled = functional.interpolate(_coded(halved, colour, waves), scale_factor=2, mode="bilinear")
    made = torch.cat([_coded(ycc[:, :1], brightness, waves), doubled[:, :, :height, :width]], 1)
    return (torch.einsum("ij,njhw->nihw", torch.linalg.inv(to_ycc), made) + 128.0) / 255.0


def _coded(plane: Tensor, steps: Tensor, waves: Tensor) -> Tensor:
    """Planes `(N, C, H, W)` with the frequencies of their blocks rounded to multiples of `steps`, smoothly."""
    height, width = plane.shape[2:]
    filled = _filled(plane, _SIDE)
    blocks = filled.unfold(2, _SIDE, _SIDE).unfold(3, _SIDE, _SIDE)
    blocks = waves.T @ (_rounded(waves @ blocks @ waves.T / steps) * steps) @ waves
    return blocks.transpose(3, 4).reshape(filled.shape)[:, :, :height, :width]


def _rounded(v: Tensor) -> Tensor:
    """Rounding with a slope that is 0 at whole numbers and 3/4 half-way between them."""
    whole = v.round()
    return whole + (v - whole) ** 3


def _filled(plane: Tensor, side: int) -> Tensor:
    """The last row and column repeated until both are multiples of `side`."""
    return functional.pad(plane, (0, -plane.shape[3] % side, 0, -plane.shape[2] % side), mode="replicate")


@lru_cache(maxsize=16)
def _constants(quality: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Steps of brightness and of colour, the waves of the cosine transform, and the colour matrix."""
    with torch.inference_mode(False):
        colour = torch.full((_SIDE, _SIDE), 99.0)
        colour[:4, :4] = torch.tensor(_COLOUR)
        # As the library of the Independent JPEG Group scales them.
        scale = 5000 // quality if quality < 50 else 200 - 2 * quality
        tables = (((t * scale + 50.0) / 100.0).floor().clamp(1.0, 255.0) for t in (torch.tensor(_BRIGHTNESS), colour))
        k = torch.arange(float(_SIDE))
        waves = 0.5 * torch.cos((2.0 * k + 1.0) * k[:, None] * math.pi / (2 * _SIDE))
        waves[0] /= math.sqrt(2.0)
        brightness, colour, waves, to_ycc = (t.to(device) for t in (*tables, waves, torch.tensor(_TO_YCC)))
    return brightness, colour, waves, to_ycc
