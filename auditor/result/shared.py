"""Which samples two runs have in common: all, where the data is the same; else those with the same digest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from auditor.errors import UsageError

if TYPE_CHECKING:
    from auditor.result.run import Run
    from auditor.result.samples_csv import Row

Key = tuple[str, int]


@dataclass(frozen=True)
class Shared:
    """Positions of the shared samples in both runs, in the order of the later one."""

    before: Run
    after: Run
    pairs: tuple[tuple[int, int], ...]

    def of(self, old: str, new: str, norm: str, eps: float) -> list[tuple[Row, Row]]:
        """The rows of the shared samples, of a model in each run under one threat."""
        theirs = {row.index: row for row in self.before.rows_of(old, norm, eps)}
        ours = {row.index: row for row in self.after.rows_of(new, norm, eps)}
        return [(theirs[i], ours[j]) for i, j in self.pairs if i in theirs and j in ours]


def shared_rows(before: Run, after: Run) -> Shared:
    """Match the samples of two runs.

    Raises:
        UsageError: they have none in common, or are too old to tell.
    """
    if before.result.data.sha256 == after.result.data.sha256:
        return Shared(before, after, tuple((i, i) for i in range(after.result.data.n)))
    theirs, ours = (_places(run) for run in (before, after))
    pairs = tuple((theirs[key], place) for key, place in ours.items() if key in theirs)
    if not pairs:
        raise UsageError(
            f"{before.path} and {after.path} audited different samples "
            f"({before.result.data.n} and {after.result.data.n}), and none is known to be in both; "
            f"only runs that share samples can be compared."
        )
    return Shared(before, after, pairs)


def _places(run: Run) -> dict[Key, int]:
    """The position of each sample by its digest; the second of two alike is another sample than the first."""
    digests = {row.index: row.digest for row in run.rows if row.digest}
    return {key: index for index, key in numbered(sorted(digests.items()))}


def numbered(digests: Iterable[tuple[int, str]]) -> Iterator[tuple[int, Key]]:
    """Each position with its sample's digest and how many before it have the same."""
    seen: Counter[str] = Counter()
    for index, digest in digests:
        yield index, (digest, seen[digest])
        seen[digest] += 1
