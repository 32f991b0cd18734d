"""A small problem that trains in a blink: two classes told apart by one strong pixel and many weak ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from auditor.defense import Addition, Recipe, Training
from auditor.harden.batches import Batches
from auditor.harden.crew import Crew
from auditor.harden.progress import Progress
from auditor.harden.scores import Validation
from auditor.harden.split import split
from auditor.harden.trainer import Plan, Trainer
from auditor.samples.memory import InMemory
from auditor.types import Norm, Threat
from auditor_defenses.pgd import PGDTraining
from tests.harden.trainees import trainee_of

THREAT = Threat(norm=Norm.LINF, eps=0.1)


def pixels(n: int = 200, weak: int = 15) -> InMemory:
    """`(n, 1, 4, 4)`: the first pixel differs by 0.6 between the classes and is right nine times of ten, the others by
    0.04 and always: who looks at those is fooled by changes of 0.1, who looks at the first is not."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(n) % 2
    told = torch.where(torch.rand(n, generator=generator) < 0.9, y, 1 - y)
    strong = 0.2 + 0.6 * told[:, None] + 0.02 * torch.randn(n, 1, generator=generator)
    others = 0.48 + 0.04 * y[:, None] + 0.005 * torch.randn(n, weak, generator=generator)
    return InMemory(torch.cat([strong, others], 1).clamp(0, 1).view(n, 1, 4, 4), y)


def network(seed: int = 0) -> nn.Module:
    """With batch normalisation and dropout, so that a checkpoint has to hold statistics and random states."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(16, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(0.1), nn.Linear(12, 2)
    )


def plain() -> nn.Module:
    """A linear network after ordinary training: right, and easily fooled."""
    torch.manual_seed(0)
    module, data = nn.Sequential(nn.Flatten(), nn.Linear(16, 2)), pixels()
    optimiser = torch.optim.Adam(module.parameters(), 0.1)
    for _ in range(400):
        optimiser.zero_grad()
        functional.cross_entropy(module(data.fetch(range(200))), data.labels).backward()
        optimiser.step()
    return module


@dataclass
class Run:
    """A trainer with everything it needs."""

    folder: Path
    recipe: Recipe = field(default_factory=lambda: PGDTraining(steps=3, step_size=0.5))
    training: Training = field(default_factory=lambda: Training(epochs=4, batch_size=32, lr=0.02, average=0.9))
    module: nn.Module = field(default_factory=network)
    options: dict[str, Any] = field(default_factory=dict)
    samples: InMemory = field(default_factory=pixels)

    def trainer(self, additions: tuple[Addition, ...] = (), crew: Crew | None = None) -> Trainer:
        data, seed = self.samples, 3
        parts = split(data.labels, seed, hold_out=False)
        trainee = trainee_of(self.module, 2, label_smoothing=self.training.label_smoothing)
        trainee.crew = crew or trainee.crew
        chosen = Validation(data.fetch(parts.validation.tolist()), data.labels[parts.validation], THREAT, seed)
        plan = Plan(
            recipe=self.recipe,
            additions=additions,
            training=self.training,
            threat=THREAT,
            seed=seed,
            key="k",
            **self.options,
        )
        return Trainer(trainee, plan, Batches(data, parts.training, seed), chosen, self.folder)

    def weights(self) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self.module.state_dict().items()}


def robust(progress: Progress) -> list[float]:
    return [round(epoch.score.robust, 3) for epoch in progress.history]
