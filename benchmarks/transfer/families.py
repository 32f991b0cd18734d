"""Small networks of three families, trained on halves of the digits, and the hardened ones that are stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.networks import load
from benchmarks.networks.architectures import convolutional
from benchmarks.networks.data import TRAINING, training_samples

EPOCHS, BATCH, RATE = 12, 64, 2e-3


def dense() -> nn.Module:
    """Two hidden layers on all pixels: 235,146 parameters."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10)
    )


def linear() -> nn.Module:
    """Softmax regression: 7,850 parameters."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))


FAMILIES: dict[str, Callable[[], nn.Module]] = {"conv": convolutional, "dense": dense, "linear": linear}
HARDENED = ("mnist-pgd", "mnist-trades")


@dataclass(frozen=True)
class Member:
    """A network of a family: its seed, and the half of the training digits that it saw, 0 or 1."""

    family: str
    seed: int
    half: int

    @property
    def name(self) -> str:
        return f"{self.family}-{'ab'[self.half]}{self.seed}"


# Of each family two on the first half and one on the other, which shares no digit with them.
MEMBERS = tuple(Member(family, seed, half) for family in FAMILIES for seed, half in ((0, 0), (1, 0), (2, 1)))


def networks(cache: Path) -> dict[str, nn.Module]:
    """All networks by name, in eval mode and frozen; trained where the cache lacks them."""
    made = {member.name: _trained(member, cache / f"{member.name}.safetensors") for member in MEMBERS}
    return made | {name: load(name) for name in HARDENED}


def family_of(name: str) -> str:
    """`conv` of `conv-a0`; hardened networks have the convolutions of that family, and count as one of their own."""
    return "hardened" if name in HARDENED else name.partition("-")[0]


def _trained(member: Member, path: Path) -> nn.Module:
    torch.manual_seed(member.seed)
    model = FAMILIES[member.family]()
    if path.is_file():
        model.load_state_dict(load_file(path))
    else:
        x, y = training_samples("mnist", torch.Generator())
        half = slice(member.half * TRAINING // 2, (member.half + 1) * TRAINING // 2)
        descend(model, x[half], y[half])
        save_file(model.state_dict(), path)
    return model.eval().requires_grad_(False)


def descend(model: nn.Module, x: Tensor, y: Tensor, epochs: int = EPOCHS) -> None:
    """Train a network plainly, with Adam on one cycle of the learning rate."""
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE)
    steps = epochs * -(-len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(BATCH):  # type: ignore[no-untyped-call]
            optimiser.zero_grad()
            functional.cross_entropy(model(x[rows]), y[rows]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
