"""What earlier attacks learned of every sample: the closest point to an example, and how close it came.

Points are kept on disk, a byte a pixel in units of the largest change, so that memory stays flat however many samples
there are. What is read back is what was written, so a resumed run starts its searches where an uninterrupted one does.
Every sample has two places in the file, written in turn: what a killed run wrote after its last entry in the manifest
overwrites nothing that the manifest speaks of.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from auditor.errors import RunError
from auditor.norms import per_sample

if TYPE_CHECKING:
    from torch import Tensor


_LEVELS = 127.0


class Places:
    """A file with two places of equal size for each of n samples, written in turn. `turn` says which counts, `(n,)`."""

    def __init__(self, path: Path, n: int) -> None:
        self._path = path
        self.turn = np.zeros(n, dtype=np.int64)

    def read(self, indices: np.ndarray, size: int) -> np.ndarray:
        """What was written last for some samples, `(m, size)` bytes; zeros where the file ends before."""
        content = np.zeros((len(indices), size), dtype=np.uint8)
        with self._guarded(), self._path.open("rb") as file:
            for row, place in enumerate(self._at(indices)):
                file.seek(place * size)
                content[row] = np.frombuffer(file.read(size).ljust(size, b"\0"), dtype=np.uint8)
        return content

    def write(self, indices: np.ndarray, content: np.ndarray) -> None:
        """Keep `(m, size)` bytes for some samples, each in the place whose turn it is not."""
        self.turn[indices] = 1 - self.turn[indices]
        if not len(indices):
            return
        with self._guarded():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("r+b" if self._path.exists() else "w+b") as file:
                for place, row in zip(self._at(indices), content, strict=True):
                    file.seek(place * content.shape[1])
                    file.write(row.tobytes())

    def exist(self) -> bool:
        """Whether anything was written."""
        return self._path.exists()

    def remove(self) -> None:
        """Remove the file."""
        self._path.unlink(missing_ok=True)

    def _at(self, indices: np.ndarray) -> list[int]:
        places: list[int] = (2 * indices + self.turn[indices]).tolist()
        return places

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """A full or unreadable disk is a sentence."""
        try:
            yield
        except OSError as error:
            raise RunError(f"{self._path} cannot be used ({error.strerror}); make room, then --resume.") from error


class Memory:
    """Of n samples under one threat. `margin` are the largest margins so far, `(n,)`: negative, or the sample fell."""

    def __init__(self, path: Path, clean_margin: np.ndarray) -> None:
        self._clean = clean_margin.astype(np.float32)
        self.margin = self._clean.copy()
        self._scale = np.zeros(len(clean_margin), dtype=np.float32)
        self._places = Places(path, len(clean_margin))

    def eaten(self, indices: np.ndarray) -> np.ndarray:
        """The share of the clean margin that attacks have eaten, `(m,)`: 0 where nothing gave way, 1 at the border."""
        share: np.ndarray = 1.0 - self.margin[indices] / np.minimum(self._clean[indices], -1e-12)
        return share

    def recall(self, indices: np.ndarray, x: Tensor) -> tuple[Tensor, Tensor]:
        """The closest points of some samples around their origins `x`, `(m, …)`, which are the answer where none is
        known, to within a step of what is kept; their margins."""
        margin = torch.from_numpy(self.margin[indices]).to(x.device)
        known = self._scale[indices] > 0
        if not known.any():
            return x.clone(), margin
        delta = np.zeros((len(indices), x[0].numel()), dtype=np.int8)
        # A file that a lost power supply cut short knows no change.
        delta[known] = self._places.read(indices[known], delta.shape[1]).view(np.int8)
        units = torch.from_numpy(self._scale[indices] / _LEVELS).to(x.device)
        change = torch.from_numpy(delta).to(x.device, torch.float32).view_as(x)
        return x + change * per_sample(units, x), margin

    def note(self, indices: np.ndarray, x: Tensor, closest: Tensor, margin: Tensor) -> dict[str, list[Any]]:
        """Keep what came closer than before; what `restore` needs besides the file."""
        values = margin.cpu().numpy()
        better = np.isfinite(values) & (values > self.margin[indices])
        rows = torch.from_numpy(np.flatnonzero(better)).to(x.device)
        change = (closest[rows] - x[rows]).flatten(1)
        largest = change.abs().amax(1) if len(rows) else change.new_zeros(0)
        levels = (change / largest.clamp_min(1e-12)[:, None] * _LEVELS).round_().to(torch.int8).cpu().numpy()
        at = indices[better]
        self._places.write(at, levels)
        self.margin[at], self._scale[at] = values[better], largest.cpu().numpy()
        columns: dict[str, np.ndarray] = {"margins": self.margin, "scales": self._scale, "turns": self._places.turn}
        return {name: column[indices].tolist() for name, column in columns.items()}

    def restore(self, indices: np.ndarray, known: dict[str, Sequence[Any]]) -> None:
        """What `note` told of these samples when they were attacked before the interruption."""
        self.margin[indices] = np.array(known["margins"], dtype=np.float32)
        self._places.turn[indices] = known["turns"]
        self._scale[indices] = np.array(known["scales"], dtype=np.float32) if self._places.exist() else 0.0

    def forget(self) -> None:
        """Remove the file: the threat is done."""
        self._places.remove()
