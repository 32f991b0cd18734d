"""The training data in batches: another order every epoch, augmented, read one batch ahead."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from auditor.harden.augmentation import augmented
from auditor.harden.crew import Crew
from auditor.rng import Rng

if TYPE_CHECKING:
    from auditor.samples.base import Samples
    from auditor.types import Images, Labels

IN_MEMORY = 2**30
"""Bytes of samples up to which they are read once."""


@dataclass(frozen=True)
class Batch:
    """Rows of the training data: which they are, `(n,)` int64, the samples `(n, …)` and their labels `(n,)`; `whole` is
    how many rows the batch has in all processes together."""

    indices: Tensor
    x: Images
    y: Labels
    whole: int


def seed_of(*parts: object) -> int:
    """A seed for what these words and numbers name."""
    text = "/".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "little")


class Batches:
    """The training samples `rows` of `samples`, and how they are augmented."""

    def __init__(self, samples: Samples, rows: Tensor, seed: int, augment: frozenset[str] = frozenset()) -> None:
        self._samples, self._rows, self._seed, self._augment = samples, rows, seed, augment
        self._labels = samples.labels[rows]
        size = 4 * len(rows) * torch.Size(samples.shape).numel()
        self._kept = samples.fetch(rows.tolist()) if size <= IN_MEMORY else None

    def __len__(self) -> int:
        return len(self._rows)

    def epoch(self, number: int, size: int, crew: Crew | None = None) -> Iterator[Batch]:
        """One pass over the data in batches of `size`, of which a process of a crew gets its part: of two every second
        row. Where there are fewer rows than processes, each gets all of them."""
        crew = crew or Crew()
        generator = torch.Generator().manual_seed(seed_of(self._seed, "order", number))
        order = torch.randperm(len(self), generator=generator)
        chunks = [_shared(chunk, crew) for chunk in torch.split(order, size)]
        with ThreadPoolExecutor(1) as reader:
            ahead = reader.submit(self._read, *chunks[0], number)
            for following in (*chunks[1:], None):
                batch = ahead.result()
                if following is not None:
                    ahead = reader.submit(self._read, *following, number)
                yield batch

    def _read(self, chosen: Tensor, whole: int, epoch: int) -> Batch:
        rows = self._rows[chosen]
        x = self._samples.fetch(rows.tolist()) if self._kept is None else self._kept[chosen]
        if self._augment:
            x = augmented(x, self._augment, Rng.keyed(self._seed, f"augmentation {epoch}", rows))
        return Batch(rows, x, self._labels[chosen], whole)


def _shared(rows: Tensor, crew: Crew) -> tuple[Tensor, int]:
    """The rows of a batch that are this process's, and how many all processes have together."""
    if len(rows) < crew.world:
        return rows, len(rows) * crew.world
    return rows[crew.rank :: crew.world], len(rows)
