"""Transfer of our attacks beside torchattacks' at equal settings: the same networks, samples, budget and steps.

Among the networks of the effects with long steps, and among the stored colour networks, of 32 x 32, with short ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import Tensor, nn

from auditor.attack import Attack
from auditor.engine.aims import Aims
from auditor.engine.attempt import Ring
from auditor.engine.transfer.craft import craft
from auditor.engine.transfer.noise import noisy
from auditor.types import Norm, Threat
from auditor_attacks.difgsm import DIFGSM
from auditor_attacks.mifgsm import MIFGSM
from auditor_attacks.pgd import PGD
from auditor_attacks.tifgsm import TIFGSM
from auditor_attacks.transfer import Transfer
from benchmarks.networks import load, test_samples
from benchmarks.transfer.effects import target_of
from benchmarks.transfer.families import networks

SAMPLES, STEPS = 300, 10
COLOUR = ("color-plain", "color-pgd", "color-trades")


@dataclass(frozen=True)
class Setting:
    """Networks, the samples that they are compared on, the linf budget, and the length of a step in units of it."""

    title: str
    networks: dict[str, nn.Module]
    x: Tensor
    y: Tensor
    eps: float
    size: float


def settings(cache: Path) -> Iterator[Setting]:
    """What the attacks are compared on."""
    x, y = (part[:SAMPLES] for part in test_samples("mnist"))
    yield Setting("The networks of the effects, linf 0.1, steps of a quarter", networks(cache), x, y, 0.1, 0.25)
    x, y = (part[:SAMPLES] for part in test_samples("color"))
    colour = {name: load(name) for name in COLOUR}
    yield Setting("Colour, linf 16/255, steps of a tenth", colour, x, y, 16 / 255, 0.1)


@dataclass(frozen=True)
class Pair:
    """The settings of one of our attacks and what torchattacks calls the same."""

    ours: Attack
    name: str
    parameters: dict[str, Any]


# Its kernel of 15 pixels reaches 7, and its TI has DI built in.
PAIRS: dict[str, Pair] = {
    "PGD": Pair(PGD(), "PGD", {}),
    "plain": Pair(MIFGSM(momentum=0.0), "BIM", {}),
    "MI": Pair(MIFGSM(), "MIFGSM", {"decay": 1.0}),
    "DI": Pair(DIFGSM(momentum=0.0), "DIFGSM", {"decay": 0.0}),
    "TI": Pair(TIFGSM(momentum=0.0, radius=7), "TIFGSM", {"decay": 0.0, "diversity_prob": 0.0}),
    "MI-DI": Pair(DIFGSM(), "DIFGSM", {"decay": 1.0}),
    "MI-DI-TI": Pair(Transfer(neighbours=0, radius=7, start="clean"), "TIFGSM", {"decay": 1.0}),
}


def report(cache: Path) -> Iterator[str]:
    """A line for each attack: the mean share over all ordered pairs of different networks, and on the source itself."""
    for setting in settings(cache):
        count = len(setting.networks)
        yield f"{setting.title}: {len(setting.y)} samples, {STEPS} steps, all pairs of {count} networks.\n"
        yield "| | auditor, on others | torchattacks, on others | auditor, on itself | torchattacks, on itself |"
        yield "| --- | ---: | ---: | ---: | ---: |"
        for title, pair in PAIRS.items():
            both = [shares(setting, partial(way, pair, setting)) for way in (_ours, _theirs)]
            yield f"| {title} | {' | '.join(f'{each[at]:.1%}' for at in (0, 1) for each in both)} |"
        rows, threat = torch.arange(len(setting.y)), Threat(norm=Norm.LINF, eps=setting.eps)
        noise = noisy(threat, setting.x, rows, 0)
        yield f"| noise | {shares(setting, lambda network, noise=noise: noise)[0]:.1%} | | | |\n"  # type: ignore[misc]


def _ours(pair: Pair, setting: Setting, network: nn.Module) -> Tensor:
    attack = replace(pair.ours, steps=STEPS, step_size=setting.size)  # type: ignore[call-arg]
    threat = Threat(norm=Norm.LINF, eps=setting.eps)
    ring = Ring(target=target_of(network, "it"), threat=threat, seed=0, margin=0.0)
    return craft(ring, attack, setting.x, Aims(setting.y), torch.arange(len(setting.y))).images


def _theirs(pair: Pair, setting: Setting, network: nn.Module) -> Tensor:
    import torchattacks  # type: ignore[import-untyped]

    torch.manual_seed(0)
    # Its smoothing is written for three channels: of a gray network three equal ones, of which it sees the first.
    gray = setting.x.shape[1] == 1
    shown = _First(network) if gray else network
    made = getattr(torchattacks, pair.name)(
        shown, eps=setting.eps, alpha=setting.size * setting.eps, steps=STEPS, **pair.parameters
    )
    images: Tensor = made(setting.x.expand(-1, 3, -1, -1), setting.y).detach()
    return images[:, :1] if gray else images


class _First(nn.Module):
    """A network of gray images, shown the first of three channels."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network(x[:, :1])
        return logits


def shares(setting: Setting, way: Callable[[nn.Module], Tensor]) -> tuple[float, float]:
    """How often examples fool other networks, and the one they were made on, of samples that both have right."""
    right = {name: network(setting.x).argmax(1) == setting.y for name, network in setting.networks.items()}
    off, on = [], []
    for source, network in setting.networks.items():
        made = way(network)
        for target, other in setting.networks.items():
            both = right[source] & right[target]
            fooled = float((other(made[both]).argmax(1) != setting.y[both]).float().mean())
            (on if source == target else off).append(fooled)
    return fmean(off), fmean(on)
