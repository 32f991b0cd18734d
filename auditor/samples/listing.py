"""What a source lists before a pixel is read: names and labels; and which of them an audit takes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from auditor.errors import DataError
from auditor.samples.base import Skipped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from auditor.samples.base import SampleOptions


@dataclass(frozen=True)
class Listing:
    """Everything that a source lists.

    Attributes:
        source: what the user named.
        labels: `(N,)` int64; negative where a sample has none.
        names: of the samples; None calls them by their positions.
        classes: class names by label, or None.
        skipped: what the source named but does not have.
    """

    source: str
    labels: NDArray[np.int64]
    names: Sequence[str] | None = None
    classes: tuple[str, ...] | None = None
    skipped: tuple[Skipped, ...] = ()

    def name(self, position: int) -> str:
        """What a person calls the sample at this position."""
        return str(position) if self.names is None else self.names[position]

    def unlabelled(self) -> tuple[Skipped, ...]:
        """The samples without a label, which no audit can use."""
        return tuple(Skipped(self.name(i), "has no label") for i in np.flatnonzero(self.labels < 0).tolist())

    def take(self, options: SampleOptions) -> NDArray[np.int64]:
        """Ascending positions of the samples to audit: all that have a label, or a stratified draw of them.

        Raises DataError where there is nothing to take, or a label is beyond the class names.
        """
        labelled = np.flatnonzero(self.labels >= 0)
        if not len(labelled):
            raise DataError(self._nothing())
        highest = labelled[np.argmax(self.labels[labelled])].item()
        if self.classes is not None and self.labels[highest] >= len(self.classes):
            raise DataError(
                f"{self.source} labels the sample {self.name(highest)} with {self.labels[highest]}, but there are only "
                f"{len(self.classes)} class names, numbered from 0; correct the labels or the class names."
            )
        if options.limit is None or options.limit >= len(labelled):
            return labelled
        return self._draw(labelled, options.limit, options.seed)

    def _nothing(self) -> str:
        if self.skipped:
            first = self.skipped[0]
            return f"{self.source} has no usable sample; the first that was left out: {first.name} {first.reason}."
        if len(self.labels):
            return f"{self.source} has {len(self.labels)} samples and none of them has a label; an audit needs labels."
        return f"{self.source} holds no samples; give data with at least one labelled sample."

    def _draw(self, labelled: NDArray[np.int64], limit: int, seed: int) -> NDArray[np.int64]:
        """Each class gets its share by largest remainder; who is drawn is decided by a hash of seed and name.

        So a sample's luck depends neither on the order of files nor on the other samples.
        """
        labels, where, counts = np.unique(self.labels[labelled], return_inverse=True, return_counts=True)
        shares, remainders = np.divmod(counts * limit, len(labelled))
        luck = np.array([_luck(seed, f"class {label}") for label in labels.tolist()], dtype=np.uint64)
        extra = np.lexsort((luck, -remainders))[: limit - shares.sum()]
        shares[extra] += 1
        luck = np.array(list(self._lucks(labelled, seed)), dtype=np.uint64)
        order = np.lexsort((labelled, luck, where))
        rank = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.sort(labelled[order[rank < np.repeat(shares, counts)]])

    def _lucks(self, positions: NDArray[np.int64], seed: int) -> Iterator[int]:
        met: dict[str, int] = {}
        for position in positions.tolist():
            name = self.name(position)
            met[name] = times = met.get(name, 0) + 1
            yield _luck(seed, f"{name}#{times}")  # sources may give one name to many samples


def _luck(seed: int, name: str) -> int:
    digest = hashlib.blake2b(f"{seed}/{name}".encode("utf-8", "backslashreplace"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def printable(name: str) -> str:
    """A file name as it can be printed and stored: what is no text, or would steer a terminal, is escaped."""
    if name.isprintable():
        return name
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name)
