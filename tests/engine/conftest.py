"""A linear target whose adversarial distances are known in closed form, and samples held in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from auditor.samples.base import Samples
from auditor.target.base import ModelOptions, Target


class Linear(nn.Module):
    """Two classes, `(N, 1, 2, 2)`: class 1 where the mean pixel exceeds one half; linf distance |mean - 1/2|."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.calls.append(len(x))
        score = 10.0 * (x.flatten(1).mean(1) - 0.5)
        return torch.stack([-score, score], 1)


class Memory(Samples):
    """Samples from tensors."""

    source = "memory"

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self._x, self._y, self.shape = x, y, tuple(x.shape[1:])
        self.fetched: list[list[int]] = []

    def __len__(self) -> int:
        return len(self._x)

    @property
    def labels(self) -> Tensor:
        return self._y

    def fetch(self, indices: Sequence[int]) -> Tensor:
        self.fetched.append(list(indices))
        return self._x[list(indices)]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self._x.numpy().tobytes() + self._y.numpy().tobytes()).hexdigest()


def make_target(network: Any, *, twin: Any = None, gradients: str = "native", num_classes: int = 2) -> Target:
    """A bound target around callables."""
    return Target(
        name="toy",
        source="toy",
        sha256="0" * 64,
        format="torch",
        deployed=network,
        twin=twin if twin is not None or gradients == "none" else network,
        gradients=gradients,  # type: ignore[arg-type]
        input_shape=None,
        options=ModelOptions(),
        device=torch.device("cpu"),
        num_classes=num_classes,
    )


def gray(values: Sequence[float]) -> Tensor:
    """Flat gray images `(N, 1, 2, 2)`."""
    return torch.tensor(values).view(-1, 1, 1, 1).expand(-1, 1, 2, 2).clone()


@pytest.fixture
def network() -> Linear:
    return Linear()


@pytest.fixture
def target(network: Linear) -> Target:
    return make_target(network)


@pytest.fixture
def build() -> Callable[..., Target]:
    return make_target


@pytest.fixture
def images() -> Callable[[Sequence[float]], Tensor]:
    return gray


@pytest.fixture
def memory() -> Callable[[Tensor, Tensor], Memory]:
    return Memory
