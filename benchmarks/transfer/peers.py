"""Transfer of our attacks beside torchattacks' at equal settings: the same networks, samples, budget and steps."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean
from typing import Any

import torch
from torch import Tensor, nn

from auditor.attack import Attack
from auditor.engine.aims import Aims
from auditor.engine.attempt import Ring
from auditor.engine.transfer.craft import craft
from auditor.types import Norm, Threat
from auditor_attacks.difgsm import DIFGSM
from auditor_attacks.mifgsm import MIFGSM
from auditor_attacks.pgd import PGD
from auditor_attacks.transfer import Transfer
from benchmarks.networks import test_samples
from benchmarks.transfer.effects import target_of

EPS, SAMPLES, STEPS, SIZE = 0.1, 300, 10, 0.25
"""The budget, digits, steps, and the length of a step in units of the budget."""

# Ours, and what torchattacks calls the same; its kernel of 15 pixels reaches 7, and its DI is part of its TI.
PAIRS: dict[str, tuple[Attack, str, dict[str, Any]]] = {
    "PGD": (PGD(steps=STEPS, step_size=SIZE), "PGD", {}),
    "MI": (MIFGSM(steps=STEPS, step_size=SIZE), "MIFGSM", {"decay": 1.0}),
    "MI-DI": (DIFGSM(steps=STEPS, step_size=SIZE), "DIFGSM", {"decay": 1.0}),
    "MI-DI-TI": (
        Transfer(steps=STEPS, step_size=SIZE, neighbours=0, radius=7, start="clean"),
        "TIFGSM",
        {"decay": 1.0},
    ),
}


def report(networks: dict[str, nn.Module]) -> Iterator[str]:
    """A line for each attack: the mean share over all ordered pairs of different networks, and on the source itself."""
    import torchattacks  # type: ignore[import-untyped]

    x, y = (part[:SAMPLES] for part in test_samples("mnist"))
    yield f"Means over all pairs of {len(networks)} networks, {SAMPLES} digits, linf {EPS:g}, {STEPS} steps.\n"
    yield "| | auditor, on others | torchattacks, on others | auditor, on itself | torchattacks, on itself |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for title, (attack, name, parameters) in PAIRS.items():

        def ours(network: nn.Module, attack: Attack = attack) -> Tensor:
            ring = Ring(target=target_of(network, "it"), threat=Threat(norm=Norm.LINF, eps=EPS), seed=0, margin=0.0)
            return craft(ring, attack, x, Aims(y), torch.arange(len(x))).images

        def theirs(network: nn.Module, name: str = name, parameters: dict[str, Any] = parameters) -> Tensor:
            torch.manual_seed(0)
            # Its smoothing is written for three channels: three equal ones, of which the network sees the first.
            colour = _First(network) if name == "TIFGSM" else network
            made = getattr(torchattacks, name)(colour, eps=EPS, alpha=SIZE * EPS, steps=STEPS, **parameters)
            return made(x.expand(-1, 3 if colour is not network else 1, -1, -1), y).detach()[:, :1]

        pairs = [shares(networks, x, y, way) for way in (ours, theirs)]
        yield f"| {title} | {' | '.join(f'{pair[at]:.1%}' for at in (0, 1) for pair in pairs)} |"


class _First(nn.Module):
    """A network of gray images, shown the first of three channels."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network(x[:, :1])
        return logits


def shares(networks: dict[str, nn.Module], x: Tensor, y: Tensor, way: Any) -> tuple[float, float]:
    """How often examples fool other networks, and the one they were made on, of samples that both have right."""
    right = {name: network(x).argmax(1) == y for name, network in networks.items()}
    off, on = [], []
    for source, network in networks.items():
        made = way(network)
        for target, other in networks.items():
            both = right[source] & right[target]
            fooled = float((other(made[both]).argmax(1) != y[both]).float().mean())
            (on if source == target else off).append(fooled)
    return fmean(off), fmean(on)
