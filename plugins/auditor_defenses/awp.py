"""Adversarial weight perturbation: Wu, Xia & Wang, arXiv:2004.05884."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.defense import Addition
from auditor.parameters import parameter

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.harden.trainee import Trainee


@dataclass(frozen=True, kw_only=True)
class AWP(Addition):
    """Takes each gradient where the weights are worst: one step uphill in every layer, undone before the update.

    Weights around which the loss is flat generalise better: robust accuracy in training and in testing stay together.
    Layers move in proportion to their size; biases and normalisation stay.

    Helps: against robust overfitting, on top of any recipe (`--recipe trades+awp`), above all in long trainings.
    Blind to: what the recipe below is blind to. Short trainings or small networks, which fit too little rather
        than too much, lose accuracy by it.
    Cost: 1 forward and backward pass of the recipe's loss to an update.
    Use it when: robust accuracy in validation falls while it still rises in training.
    """

    name: ClassVar[str] = "awp"
    paper: ClassVar[str] = "arXiv:2004.05884"

    gamma: float = parameter(0.005, help="length of the step in units of a layer's length", low=0.0, high=1.0)

    @contextmanager
    def around(self, trainee: Trainee, loss: Callable[[], Tensor]) -> Iterator[None]:
        layers = [weight for weight in trainee.weights.values() if weight.dim() > 1 and weight.requires_grad]
        slopes = torch.autograd.grad(loss(), layers, allow_unused=True)
        trainee.crew.add(slope for slope in slopes if slope is not None)
        before = [layer.detach().clone() for layer in layers]
        with torch.no_grad():
            for layer, slope in zip(layers, slopes, strict=True):
                if slope is not None:
                    layer.add_(slope * (self.gamma * layer.norm() / slope.norm().clamp_min(1e-20)))
        try:
            yield
        finally:
            with torch.no_grad():
                for layer, weight in zip(layers, before, strict=True):
                    layer.copy_(weight)
