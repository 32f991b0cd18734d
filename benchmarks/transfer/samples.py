"""Samples that are held in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from torch import Tensor

from auditor.samples.base import Samples


class Held(Samples):
    """Images `(N, 1, 28, 28)` in [0, 1], and labels."""

    source = "mnist"

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self._x, self._y, self.shape = x, y, tuple(x.shape[1:])

    def __len__(self) -> int:
        return len(self._x)

    @property
    def labels(self) -> Tensor:
        return self._y

    def fetch(self, indices: Sequence[int]) -> Tensor:
        return self._x[list(indices)]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self._x.numpy().tobytes()).hexdigest()
