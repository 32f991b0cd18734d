"""The modules. All take pixels in [0, 1] and return float32 logits of ten classes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

Activation = Callable[[], nn.Module]


class KWinners(nn.Module):
    """k-winners-take-all (Xiao et al., arXiv:1905.10510): all but a sample's largest activations become 0.

    Who wins changes at every point, so the gradient at a point says little about its surroundings.
    `share` of the activations win, in (0, 1), but no fewer than `least` of them.
    """

    def __init__(self, share: float, least: int) -> None:
        super().__init__()
        self.share, self.least = share, least

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(1)
        winners = max(self.least, int(self.share * flat.shape[1]))
        smallest = flat.topk(winners, dim=1).values[:, -1:]
        return torch.where(flat >= smallest, flat, 0.0).view_as(x)


def convolutional(activation: Activation = nn.ReLU, width: int = 16, dense: int = 32) -> nn.Module:
    """Two strided convolutions and two dense layers for 1 x 28 x 28: 59,034 parameters as it is."""
    return nn.Sequential(
        nn.Conv2d(1, width, 4, stride=2, padding=1),
        activation(),
        nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
        activation(),
        nn.Flatten(),
        nn.Linear(2 * width * 7 * 7, dense),
        activation(),
        nn.Linear(dense, 10),
    )


class Block(nn.Module):
    """Two 3 x 3 convolutions with batch normalisation and a shortcut (He et al., arXiv:1512.03385)."""

    def __init__(self, inputs: int, outputs: int, stride: int, activation: Activation) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            activation(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        self.activation = activation()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.activation(self.body(x) + self.shortcut(x))
        return out


def residual(activation: Activation = nn.ReLU, width: int = 12, channels: int = 3) -> nn.Module:
    """A strided stem, three blocks and average pooling: 44,230 parameters as it is."""
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(width),
        activation(),
        Block(width, width, 1, activation),
        Block(width, 2 * width, 2, activation),
        Block(2 * width, 4 * width, 2, activation),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * width, 10),
    )


class Transformer(nn.Module):
    """A small vision transformer (Dosovitskiy et al., arXiv:2010.11929) for 1 x 28 x 28.

    Patches of 7 x 7, learned positions, two blocks that normalise first, the mean over the patches: 27,914 parameters.
    """

    def __init__(self, width: int = 32, heads: int = 4) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, width, 7, stride=7)
        self.positions = nn.Parameter(0.02 * torch.randn(1, 16, width))
        blocks = [
            nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, nn.GELU(), batch_first=True, norm_first=True)
            for _ in range(2)
        ]
        self.blocks = nn.Sequential(*blocks)
        self.norm, self.classes = nn.LayerNorm(width), nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2) + self.positions
        logits: Tensor = self.classes(self.norm(self.blocks(tokens)).mean(1))
        return logits


class Mixing(nn.Module):
    """A depthwise convolution with a shortcut around it, then one of 1 x 1, each with its batch normalisation."""

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.space = nn.Sequential(
            nn.Conv2d(width, width, size, padding=size // 2, groups=width), nn.GELU(), nn.BatchNorm2d(width)
        )
        self.channels = nn.Sequential(nn.Conv2d(width, width, 1), nn.GELU(), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.channels(x + self.space(x))
        return out


def mixer(width: int = 48, depth: int = 4) -> nn.Module:
    """ConvMixer (Trockman & Kolter, arXiv:2201.09792) for 1 x 28 x 28: 16,570 parameters as it is.

    Patches of 4 x 4, then mixing over 5 x 5 of them.
    """
    return nn.Sequential(
        nn.Conv2d(1, width, 4, stride=4),
        nn.GELU(),
        nn.BatchNorm2d(width),
        *(Mixing(width, 5) for _ in range(depth)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, 10),
    )
