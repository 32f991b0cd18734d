"""What attacks made for transfer show the model in place of an image, and how gradients come back from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.rng import Rng
    from auditor.types import Images


@dataclass(frozen=True)
class Resized:
    """Images `(N, C, H, W)` made smaller and put somewhere on black, each by itself, by matrices for rows and columns.

    `down` is `(N, H, H)`, `across` `(N, W, W)`; a row of them says which pixels a pixel is made of.
    """

    down: Tensor
    across: Tensor

    @classmethod
    def draw(cls, x: Images, rng: Rng, chance: float, least: float) -> Self:
        """Images stay as they are, or with probability `chance` shrink to a random size, at `least` that share.

        The sizes of Xie et al., arXiv:1803.06978, who pad to more pixels where a network takes them; bilinear.
        """
        height, width = x.shape[2:]
        dice = rng.uniform(4)
        shrinks = dice[:, 0] < chance
        return cls(
            _placed(height, least, shrinks, dice[:, 1], dice[:, 2]),
            _placed(width, least, shrinks, dice[:, 1], dice[:, 3]),
        )

    def show(self, x: Images) -> Images:
        """The images as the model is to see them."""
        return self.down[:, None] @ x @ self.across[:, None].mT

    def back(self, gradient: Images) -> Images:
        """A gradient with respect to what was shown as one with respect to the images."""
        return self.down[:, None].mT @ gradient @ self.across[:, None]


def _placed(full: int, least: float, shrinks: Tensor, share: Tensor, place: Tensor) -> Tensor:
    """Matrices `(N, full, full)` that scale one side; `share` and `place`, `(N,)` in [0, 1), choose size and offset."""
    low = max(int(least * full), 1)
    size = torch.where(shrinks, low + (share * (full - low)).floor(), float(full))[:, None]
    offset = (place[:, None] * (full - size + 1)).floor()
    pixels = torch.arange(full, device=share.device)
    position = pixels - offset
    source = ((position + 0.5) * (full / size) - 0.5).clamp(0, full - 1)
    weights = (1.0 - (source[:, :, None] - pixels).abs()).clamp_min_(0.0)
    return weights * ((position >= 0) & (position < size))[:, :, None]


def smoothed(gradient: Tensor, radius: int) -> Tensor:
    """Every entry of `(N, C, H, W)` as a Gaussian mean of those within `radius`, three deviations; zeros outside.

    Following the mean gradient of shifted images, as Dong et al. show, arXiv:1904.02884.
    """
    channels = gradient.shape[1]
    at = torch.linspace(-3.0, 3.0, 2 * radius + 1, device=gradient.device)
    kernel = (-0.5 * at.square()).exp()
    kernel = (kernel / kernel.sum()).expand(channels, 1, -1)
    down = functional.conv2d(gradient, kernel[..., None], padding=(radius, 0), groups=channels)
    return functional.conv2d(down, kernel[:, :, None], padding=(0, radius), groups=channels)
