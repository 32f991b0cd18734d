"""The networks of the paper's tables 1 and 3, and convolutional ones of several depths."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Shape = tuple[int, ...]
Build = Callable[[Shape, int], nn.Module]


@dataclass(frozen=True)
class Recipe:
    """A network and how it is trained.

    Attributes:
        name: as the paper writes it, for ten classes.  text: what it is, in words.
        build: makes it for samples of a shape and so many classes.
        decay: λ of each layer with weights; the loss gets λ times the sum of their squares over the layer's units.
        steps: of training, 100 samples each.
        data: what it is trained on: `all`, or one of the halves `P1` and `P2`.
    """

    name: str
    text: str
    build: Build
    decay: tuple[float, ...]
    steps: int = 1000
    data: str = "all"


class Autoencoded(nn.Module):
    """A sparse autoencoder's code with a linear classifier on it; the code is learned first and then left alone."""

    def __init__(self, shape: Shape, classes: int, code: int = 400) -> None:
        super().__init__()
        self.encoder = nn.Linear(math.prod(shape), code)
        self.decoder = nn.Linear(code, math.prod(shape))
        self.classifier = nn.Linear(code, classes)

    def encode(self, x: Tensor) -> Tensor:
        """Samples `(N, …)` to their codes in `(0, 1)`, `(N, code)`."""
        return torch.sigmoid(self.encoder(x.flatten(1)))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.encode(x))
        return logits


def connected(*hidden: int) -> Build:
    """Fully connected, with sigmoids between; without `hidden` layers a softmax classifier on pixels."""

    def build(shape: Shape, classes: int) -> nn.Module:
        sizes = (math.prod(shape), *hidden, classes)
        layers: list[nn.Module] = [nn.Flatten()]
        for i, (wide, narrow) in enumerate(itertools.pairwise(sizes)):
            layers += [nn.Sigmoid()] * (i > 0) + [nn.Linear(wide, narrow)]
        return nn.Sequential(*layers)

    return build


def convolutional(depth: int, channels: int = 16) -> Build:
    """So many 3 x 3 convolutions with ReLU, halved in size while 8 pixels or more are left, and a linear layer."""

    def build(shape: Shape, classes: int) -> nn.Module:
        layers: list[nn.Module] = []
        planes, (height, width) = shape[0], shape[1:]
        for _ in range(depth):
            layers += [nn.Conv2d(planes, channels, 3, padding=1), nn.ReLU()]
            planes = channels
            if min(height, width) >= 8:
                layers.append(nn.MaxPool2d(2))
                height, width = height // 2, width // 2
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(planes * height * width, classes))

    return build


_THREE = (1e-5, 1e-5, 1e-6)

ARCHITECTURES = (
    Recipe("FC10(1e-4)", "softmax on pixels, λ = 1e-4", connected(), (1e-4,)),
    Recipe("FC10(1e-2)", "softmax on pixels, λ = 1e-2", connected(), (1e-2,)),
    Recipe("FC10(1)", "softmax on pixels, λ = 1", connected(), (1.0,)),
    Recipe("FC100-100-10", "two hidden layers of 100 sigmoids", connected(100, 100), _THREE),
    Recipe("FC200-200-10", "two hidden layers of 200 sigmoids", connected(200, 200), _THREE),
    Recipe("AE400-10", "softmax on the code of a sparse autoencoder", Autoencoded, (1e-6,)),
)
"""Tables 1 and 2."""

HALVES = (
    Recipe("FC100-100-10", "two hidden layers of 100 sigmoids", connected(100, 100), _THREE, data="P1"),
    Recipe("FC123-456-10", "hidden layers of 123 and 456 sigmoids", connected(123, 456), _THREE, data="P1"),
    Recipe("FC100-100-10'", "two hidden layers of 100 sigmoids", connected(100, 100), _THREE, data="P2"),
)
"""Tables 3 and 4."""

DEPTHS = tuple(
    Recipe(f"CONV{depth}", f"{depth} convolutions and a linear layer", convolutional(depth), (), steps=400)
    for depth in (1, 2, 4)
)
"""The paper names the number of layers among what may differ; these networks are ours."""


def made(recipe: Recipe, shape: Shape, classes: int, seed: int) -> nn.Module:
    """The network with initial weights drawn by `seed` and its name."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_draw(recipe, seed))
        return recipe.build(shape, classes)


def order(recipe: Recipe, seed: int) -> torch.Generator:
    """What the order of the training samples is drawn from."""
    return torch.Generator().manual_seed(_draw(recipe, seed) + 1)


def _draw(recipe: Recipe, seed: int) -> int:
    # Names differ within an experiment, so no two networks of one begin alike.
    return 1_000_003 * seed + sum((i + 1) * byte for i, byte in enumerate((recipe.name + recipe.data).encode()))
