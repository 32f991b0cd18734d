"""A linear target and what stands in for it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from auditor import Extraction, margins
from auditor.engine.standing import Clean
from auditor.engine.store import Store
from auditor.engine.surrogates.extracting import Extractor
from auditor.engine.surrogates.surrogate import Standard


class Tilted(nn.Module):
    """Class 1 where the weighted mean of the pixels exceeds one half."""

    def __init__(self, size: int, scale: float = 10.0) -> None:
        super().__init__()
        weights = torch.randn(size, generator=torch.Generator().manual_seed(5))
        self.weights, self.scale = weights / weights.abs().sum(), scale
        self.asked: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.asked.append(x.detach().clone())
        score = self.scale * ((x.flatten(1) - 0.5) @ self.weights)
        return torch.stack([-score, score], 1)


def standard_of(target: Any, samples: Any) -> Standard:
    answers = target.answer(samples.fetch(range(len(samples))))
    clean = Clean(
        samples.labels.numpy(),
        answers.argmax(1).numpy(),
        np.ones(len(samples)),
        margins(answers, samples.labels).numpy(),
    )
    return Standard(target, samples, clean, np.arange(len(samples)))


def extractor_of(standard: Standard, run: Path, **more: Any) -> Extractor:
    given = {"seed": 0, "batch_size": 16, "deadline": float("inf"), **more}
    return Extractor(standard=standard, store=Store(run), **given)


@dataclass(frozen=True, kw_only=True)
class Fit(Extraction):
    name: ClassVar[str] = "fit"

    def network(self, shape: tuple[int, ...], num_classes: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), num_classes))

    def train(self, network: nn.Module, oracle: Any, x: Tensor) -> None:
        y = oracle.ask(x[: oracle.left])
        optimiser = torch.optim.Adam(network.parameters(), lr=0.1)
        for _ in range(30):
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(x[: len(y)]), y).backward()
            optimiser.step()


class Broken(Fit):
    def train(self, network: nn.Module, oracle: Any, x: Tensor) -> None:
        raise ZeroDivisionError("no such thing")


class Greedy(Fit):
    def train(self, network: nn.Module, oracle: Any, x: Tensor) -> None:
        oracle.ask(x.repeat(oracle.left + 1, *[1] * (x.dim() - 1)))


class Slow(Fit):
    def train(self, network: nn.Module, oracle: Any, x: Tensor) -> None:
        time.sleep(0.02)
        oracle.check_time()
