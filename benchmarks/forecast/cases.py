"""The networks that are searched, and at which budgets: small ones made on the way, and the stored ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from torch import nn

from auditor.types import Norm
from benchmarks.networks import NETWORKS, Network, load
from benchmarks.networks.architectures import KWinners
from benchmarks.networks.table import Recipe
from benchmarks.networks.training import train

Budgets = tuple[tuple[Norm, float], ...]


@dataclass(frozen=True)
class Case:
    """A network and the budgets at which it is attacked; `fit` says whether constants may be chosen on it, `stored`
    whether it is one of `benchmarks.networks`."""

    name: str
    fit: bool
    model: Callable[[], nn.Module]
    budgets: Budgets
    stored: bool = False


def cases() -> Iterator[Case]:
    """All networks; every second of those made here is held out, and all of the stored ones."""
    plain, hardened, strong = Recipe("plain", 4), Recipe("pgd", 8, 0.1, steps=4), Recipe("pgd", 8, 0.2, steps=5)
    linf, l2 = Norm.LINF, Norm.L2
    weak: Budgets = ((linf, 0.05), (l2, 0.8))
    middle: Budgets = ((linf, 0.12), (l2, 1.2))
    far: Budgets = ((linf, 0.18), (l2, 1.5))
    winners = partial(KWinners, 0.1, 4)
    made: list[tuple[str, bool, Callable[[], nn.Module], Recipe, Budgets]] = [
        ("dense-plain", True, partial(dense, 32), plain, weak),
        ("small-plain", False, small, plain, weak),
        ("dense-pgd", True, partial(dense, 48), hardened, middle),
        ("small-pgd", False, small, hardened, middle),
        ("silu-pgd", True, partial(dense, 64, nn.SiLU), strong, far),
        ("tanh-pgd", False, partial(dense, 32, nn.Tanh), strong, far),
        ("dense-winners", True, partial(dense, 128, winners), plain, weak),
        ("small-winners", False, partial(small, winners), plain, weak),
        ("small-trades", True, partial(small, nn.SiLU), Recipe("trades", 8, 0.15, steps=4), middle),
        ("dense-strong", True, partial(dense, 96), strong, ((linf, 0.2), (l2, 2.0))),
        ("gelu-pgd", False, partial(dense, 24, nn.GELU), hardened, middle),
        ("wide-strong", False, partial(small, nn.GELU), strong, far),
    ]
    for seed, (name, fit, build, recipe, budgets) in enumerate(made, 1):
        yield Case(name, fit, partial(_trained, build, recipe, seed), budgets)
    for name, network in NETWORKS.items():
        if network.data == "mnist" and not network.quantised:
            yield Case(name, False, partial(load, name), ((network.norm, network.eps), (l2, 1.0)), stored=True)


def dense(width: int, activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Module:
    """One hidden layer for 1 x 28 x 28."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, width), activation(), nn.Linear(width, 10))


def small(activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Module:
    """One strided convolution and a dense layer for 1 x 28 x 28."""
    return nn.Sequential(nn.Conv2d(1, 8, 5, stride=3), activation(), nn.Flatten(), nn.Linear(8 * 64, 10))


def _trained(build: Callable[[], nn.Module], recipe: Recipe, seed: int) -> nn.Module:
    return train(Network("mnist", build, recipe, eps=recipe.eps), seed)
