"""What broken samples were mistaken for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from auditor.result.samples_csv import Row

OTHER = -1
"""Stands for all classes that have no line of their own."""


@dataclass(frozen=True)
class Mistakes:
    """`counts[i][j]`: broken samples of class `labels[i]` that the model took for `labels[j]`."""

    labels: tuple[int, ...]
    counts: tuple[tuple[int, ...], ...]
    top: tuple[tuple[int, int, int], ...]
    """The most frequent `(true, taken for, count)`."""
    total: int

    @property
    def largest(self) -> int:
        """The highest count that stands for two classes: what the darkest cell means."""
        own = [i for i, label in enumerate(self.labels) if label != OTHER]
        return max((self.counts[i][j] for i in own for j in own), default=0)


def mistakes(rows: Iterable[Row], most: int = 10, pairs: int = 10) -> Mistakes | None:
    """The matrix of one model and threat; None where nothing was broken.

    Where more than `most` classes occur, those with the most mistakes keep lines of their own and the others share
    one, labelled `OTHER`.
    """
    seen: Counter[tuple[int, int]] = Counter()
    for row in rows:
        if row.outcome == "broken" and row.adversarial_prediction is not None:
            seen[row.label, row.adversarial_prediction] += 1
    if not seen:
        return None
    involved: Counter[int] = Counter()
    for (true, taken), number in seen.items():
        involved[true] += number
        involved[taken] += number
    ranked = sorted(involved, key=lambda label: (-involved[label], label))
    own = sorted(ranked[:most])
    labels = (*own, OTHER) if len(ranked) > most else tuple(own)
    cells: Counter[tuple[int, int]] = Counter()
    kept = set(own)
    for (true, taken), number in seen.items():
        cells[true if true in kept else OTHER, taken if taken in kept else OTHER] += number
    counts = tuple(tuple(cells[true, taken] for taken in labels) for true in labels)
    frequent = sorted(seen.items(), key=lambda item: (-item[1], item[0]))[:pairs]
    return Mistakes(labels, counts, tuple((*pair, number) for pair, number in frequent), seen.total())
