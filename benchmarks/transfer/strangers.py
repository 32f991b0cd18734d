"""Undefended networks of five architectures, deeper ones among them, trained anew for every seed on other digits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from benchmarks.networks import test_samples
from benchmarks.networks.architectures import Transformer, convolutional, mixer, residual
from benchmarks.networks.data import training_samples
from benchmarks.transfer.families import descend

EPOCHS, HELD_OUT = 4, 500


def deep(width: int = 8) -> nn.Module:
    """Six convolutions in pairs, each pair with twice the channels at half the size: 37,298 parameters as it is."""
    layers: list[nn.Module] = []
    inputs = 1
    for outputs in (width, width, 2 * width, 2 * width, 4 * width, 4 * width):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        if outputs == inputs:
            layers.append(nn.MaxPool2d(2))
        inputs = outputs
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(9 * inputs, 64), nn.ReLU(), nn.Linear(64, 10))


ARCHITECTURES: dict[str, Callable[[], nn.Module]] = {
    "shallow": convolutional,
    "deep": deep,
    "residual": lambda: residual(channels=1),
    "mixer": mixer,
    "transformer": Transformer,
}


@dataclass(frozen=True)
class Round:
    """The networks of one seed by architecture, and the 500 digits that none of them saw, which no other seed has."""

    networks: dict[str, nn.Module]
    x: Tensor
    y: Tensor

    @property
    def right(self) -> Tensor:
        """The digits that all networks have right, `(N,)` bool."""
        answers = [network(self.x).argmax(1) == self.y for network in self.networks.values()]
        return torch.stack(answers).all(0)


def trained(seed: int, cache: Path) -> Round:
    """The networks of a seed, from 0 to 9; trained where the cache lacks them."""
    parts = zip(training_samples("mnist", torch.Generator()), test_samples("mnist"), strict=True)
    x, y = (torch.cat(part) for part in parts)
    held = torch.zeros(len(x), dtype=torch.bool)
    held[seed * HELD_OUT : (seed + 1) * HELD_OUT] = True
    networks = {}
    for name, build in ARCHITECTURES.items():
        torch.manual_seed(seed)
        networks[name] = network = build()
        path = cache / f"{name}-seed{seed}.safetensors"
        if path.is_file():
            network.load_state_dict(load_file(path))
        else:
            descend(network, x[~held], y[~held], EPOCHS)
            save_file(network.state_dict(), path)
        network.eval().requires_grad_(False)
    return Round(networks, x[held], y[held])
