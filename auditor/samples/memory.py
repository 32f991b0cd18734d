"""Samples that are two tensors."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from torch import Tensor

from auditor.samples.base import Samples


class InMemory(Samples):
    """`x`, `(N, *shape)` float32 in `[0, 1]`, with labels `y`, `(N,)` int64."""

    source = "memory"

    def __init__(self, x: Tensor, y: Tensor, classes: tuple[str, ...] | None = None, eight_bit: bool = False) -> None:
        self._x, self._y = x, y
        self.shape, self.classes, self.eight_bit = tuple(x.shape[1:]), classes, eight_bit

    def __len__(self) -> int:
        return len(self._x)

    @property
    def labels(self) -> Tensor:
        return self._y

    def fetch(self, indices: Sequence[int]) -> Tensor:
        return self._x[list(indices)]

    @property
    def sha256(self) -> str:
        digest = hashlib.sha256(self._x.contiguous().numpy().tobytes())
        digest.update(self._y.contiguous().numpy().tobytes())
        return digest.hexdigest()
