"""The smallest adversarial example of every sample, as far as it is known, on disk: later attacks start from them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from auditor.engine.memory import Places

if TYPE_CHECKING:
    from torch import Tensor


class Nearest:
    """Of n samples under one threat; does for the smallest changes what `Memory` does within a budget.

    `distance` are their sizes, `(n,)`: infinite where none is known. Kept exactly: rounded, they would fool nobody.
    """

    def __init__(self, path: Path, n: int) -> None:
        self._places = Places(path, n)
        self.distance = np.full(n, np.inf)

    def eaten(self, indices: np.ndarray) -> np.ndarray:
        """How near the samples' examples are, `(m,)`, 0 where none is known: the nearest are attacked before others."""
        share: np.ndarray = 1.0 / (1.0 + self.distance[indices])
        return share

    def recall(self, indices: np.ndarray, x: Tensor) -> tuple[Tensor, Tensor]:
        """The smallest examples of some samples around their origins `x`, `(m, …)`, which are the answer where none is
        known; their sizes."""
        known = np.isfinite(self.distance[indices])
        points = x.clone()
        rows = np.flatnonzero(known)
        if len(rows):
            values = self._places.read(indices[rows], 4 * x[0].numel()).view(np.float32)
            points[torch.from_numpy(rows).to(x.device)] = torch.from_numpy(values).to(x).view(-1, *x.shape[1:])
        return points, torch.from_numpy(self.distance[indices]).to(x.device)

    def note(self, indices: np.ndarray, x: Tensor, points: Tensor, distance: Tensor) -> dict[str, list[Any]]:
        """Keep what is smaller than before; what `restore` needs besides the file."""
        values = distance.double().cpu().numpy()
        better = values < self.distance[indices]
        rows = torch.from_numpy(np.flatnonzero(better)).to(x.device)
        self._places.write(indices[better], points[rows].flatten(1).float().cpu().numpy().view(np.uint8))
        self.distance[indices[better]] = values[better]
        # JSON knows no infinity.
        known = [size if np.isfinite(size) else None for size in self.distance[indices].tolist()]
        return {"distances": known, "turns": self._places.turn[indices].tolist()}

    def restore(self, indices: np.ndarray, known: dict[str, Sequence[Any]]) -> None:
        """What `note` told of these samples when they were attacked before the interruption."""
        self._places.turn[indices] = known["turns"]
        there = self._places.exist()
        self.distance[indices] = [np.inf if size is None or not there else size for size in known["distances"]]

    def forget(self) -> None:
        """Remove the file: the threat is done."""
        self._places.remove()
