"""Trainees around small modules, for tests."""

from __future__ import annotations

import torch
from torch import nn

from auditor.harden.trainee import Trainee
from auditor.rng import Rng


def trainee_of(module: nn.Module, num_classes: int, **options: float) -> Trainee:
    """All of the module's parameters are trained."""
    trainee = Trainee(module, module, dict(module.named_parameters()), **options)  # type: ignore[arg-type]
    trainee.num_classes = num_classes
    return trainee


def linear(weights: list[list[float]]) -> Trainee:
    """Logits `W x` of flattened samples."""
    layer = nn.Linear(len(weights[0]), len(weights), bias=False)
    layer.weight.data = torch.tensor(weights)
    return trainee_of(nn.Sequential(nn.Flatten(), layer), len(weights))


def streams(n: int, seed: int = 0) -> Rng:
    """Random numbers for `n` samples."""
    return Rng.keyed(seed, "test", torch.arange(n))
