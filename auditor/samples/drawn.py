"""What all samples read by auditor itself have in common: positions in a source, labels, names, a digest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from auditor.errors import DataError
from auditor.samples.base import Samples, Skipped

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from auditor.samples.listing import Listing
    from auditor.types import Labels


class Drawn(Samples):
    """Samples taken from a source; subclasses read their pixels."""

    def __init__(self, listing: Listing, flaws: dict[int, str], taken: NDArray[np.int64]) -> None:
        """`taken` are positions in the source; those with a flaw are left out and named. Raises if none remains."""
        kept = [position for position in taken.tolist() if position not in flaws]
        if not kept:
            first, reason = next(iter(flaws.items()))
            raise DataError(
                f"None of the {len(taken)} samples taken from {listing.source} can be used; "
                f"the first: {listing.name(first)} {reason}."
            )
        self.source = listing.source
        self.classes = listing.classes
        bad = tuple(Skipped(listing.name(position), reason) for position, reason in flaws.items())
        self.skipped = (*listing.skipped, *listing.unlabelled(), *bad)
        self._listing = listing
        self._positions = kept
        self._labels = torch.from_numpy(listing.labels[kept])
        self._digest = ""

    def __len__(self) -> int:
        return len(self._positions)

    @property
    def labels(self) -> Labels:
        return self._labels

    @property
    def sha256(self) -> str:
        return self._digest

    def names(self, indices: Sequence[int]) -> list[str]:
        return [self._listing.name(self._positions[index]) for index in indices]
