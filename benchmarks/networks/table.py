"""Every network: its module, its data, how it is trained, and the budget at which it is attacked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from torch import nn

from auditor.types import Norm
from benchmarks.networks.architectures import KWinners, Transformer, convolutional, mixer, residual
from benchmarks.networks.data import Kind


@dataclass(frozen=True)
class Recipe:
    """`plain`: cross-entropy. `pgd`: Madry et al., arXiv:1706.06083. `trades`: Zhang et al., arXiv:1901.08573, beta 6.

    `eps` is the linf radius of the training attacks, which grows from 0 over the first half of the epochs, `stride` how
    far they may go in all, in units of eps. One step of 1.25 is FGSM from noise (Wong et al., arXiv:2001.03994).
    """

    loss: Literal["plain", "pgd", "trades"]
    epochs: int
    eps: float = 0.0
    rate: float = 4e-3
    steps: int = 7
    stride: float = 2.5


@dataclass(frozen=True)
class Network:
    """`norm` and `eps` are the budget to attack at, chosen so that more than half of the samples stand, but not nearly
    all. The color networks face twice the radius that they were trained at: at 8/255 seven of eight samples stand.

    `quantised` names the network that this one is the int8 form of; such a one exists as an ONNX file only.
    `held_out`: no suite, attack or constant was chosen by looking at it.
    """

    data: Kind
    build: Callable[[], nn.Module]
    recipe: Recipe
    eps: float
    norm: Norm = Norm.LINF
    quantised: str | None = None
    seed: int = 0
    held_out: bool = False


_PGD = Recipe("pgd", epochs=40, eps=0.3)

NETWORKS: dict[str, Network] = {
    "mnist-plain": Network("mnist", convolutional, Recipe("plain", epochs=15), eps=0.05),
    "mnist-pgd": Network("mnist", convolutional, _PGD, eps=0.3),
    "mnist-trades": Network("mnist", partial(convolutional, nn.SiLU), Recipe("trades", epochs=60, eps=0.3), eps=0.25),
    "mnist-int8": Network("mnist", convolutional, _PGD, eps=0.3, quantised="mnist-pgd"),
    "mnist-kwinners": Network(
        "mnist", partial(convolutional, partial(KWinners, 0.03, 4)), Recipe("plain", epochs=15), eps=0.07
    ),
    "color-plain": Network("color", residual, Recipe("plain", epochs=30), eps=3 / 255),
    "color-pgd": Network("color", residual, Recipe("pgd", epochs=25, eps=8 / 255), eps=16 / 255),
    "color-trades": Network(
        "color", partial(residual, nn.SiLU), Recipe("trades", epochs=25, eps=8 / 255), eps=16 / 255
    ),
    "mnist-silu": Network(
        "mnist",
        partial(convolutional, nn.SiLU, 10),
        Recipe("pgd", epochs=40, eps=0.25),
        eps=0.25,
        seed=11,
        held_out=True,
    ),
    "mnist-residual": Network(
        "mnist",
        partial(residual, nn.ReLU, 8, 1),
        Recipe("pgd", epochs=30, eps=0.2, steps=1, stride=1.25),
        eps=0.2,
        seed=12,
    ),
    "mnist-transformer": Network(
        "mnist", Transformer, Recipe("pgd", epochs=24, eps=0.15, rate=3e-3), eps=0.15, seed=13, held_out=True
    ),
    "mnist-mixer": Network(
        "mnist",
        mixer,
        Recipe("pgd", epochs=24, eps=0.2, steps=2, stride=1.5),
        eps=0.2,
        seed=14,
        held_out=True,
    ),
}
