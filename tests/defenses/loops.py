"""The least that trains by a recipe, and what it may be tried on: for tests of recipes, not of the trainer."""

from __future__ import annotations

from contextlib import nullcontext

import torch
from sklearn.datasets import load_digits  # type: ignore[import-untyped]
from torch import Tensor, nn

from auditor.defense import Addition, Recipe
from auditor.harden.trainee import Trainee
from auditor.rng import Rng
from auditor.types import Threat

BATCH = 32


def network(shape: tuple[int, ...], num_classes: int, seed: int = 0, width: int = 24) -> nn.Module:
    """A little network with batch normalisation; always the same for the same seed."""
    entries = int(torch.tensor(shape).prod())
    layers = [nn.Linear(entries, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, num_classes)]
    generator = torch.Generator().manual_seed(seed)
    for layer in (layers[0], layers[3]):
        for weight in layer.parameters():
            bound = layer.in_features**-0.5
            weight.data = bound * (2.0 * torch.rand(weight.shape, generator=generator) - 1.0)
    return nn.Sequential(nn.Flatten(), *layers)


def digits(n: int = 1000) -> tuple[Tensor, Tensor]:
    """Real digits, 8 x 8 in `[0, 1]`, and labels."""
    bunch = load_digits()
    x = torch.tensor(bunch.images[:n], dtype=torch.float32)[:, None] / 16.0
    return x, torch.tensor(bunch.target[:n])


def train(
    recipe: Recipe,
    trainee: Trainee,
    x: Tensor,
    y: Tensor,
    threat: Threat,
    updates: int,
    *,
    lr: float = 0.01,
    additions: tuple[Addition, ...] = (),
) -> None:
    """So many updates by plain descent with momentum, from where the trainee is."""
    trainee.samples, trainee.lr = len(x), lr
    trainee.steps = max(trainee.steps, trainee.step + updates)
    optimiser = torch.optim.SGD(trainee.weights.values(), lr=lr, momentum=0.9)
    for _ in range(updates):
        # The same batch for as many updates as the recipe asks for.
        turn = trainee.step // recipe.updates
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(turn))
        rows = trainee.indices = order[:BATCH]
        update(recipe, trainee, x[rows], y[rows], threat, optimiser, additions)
        trainee.step += 1


def update(
    recipe: Recipe,
    trainee: Trainee,
    x: Tensor,
    y: Tensor,
    threat: Threat,
    optimiser: torch.optim.Optimizer,
    additions: tuple[Addition, ...] = (),
) -> float:
    """One update in the order that the contract states; the loss that was descended."""
    trainee.generator.manual_seed(trainee.step)
    rng = Rng.keyed(trainee.step, recipe.name, torch.arange(len(x)))
    found = recipe.perturb(trainee, x, y, threat, rng)

    def loss() -> Tensor:
        return recipe.loss(trainee, x, found, y, threat, rng).mean()

    with additions[0].around(trainee, loss) if additions else nullcontext():
        optimiser.zero_grad()
        value = loss()
        value.backward()  # type: ignore[no-untyped-call]
    recipe.after_backward(trainee, x, found, y, threat, rng)
    optimiser.step()
    return value.item()
