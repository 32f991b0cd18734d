"""An order of the models in which those that fall to the same examples stand together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from auditor.result.transfer import TransferCell, TransferMatrix, TransferResult

Closeness = Mapping[frozenset[str], float]
"""Of two models: how far examples travel between them, from 0."""


def above_noise(cell: TransferCell) -> float | None:
    """Rate less that of noise, not below 0; None where the cell was not measured."""
    if cell.rate is None or not cell.among:
        return None
    return max(0.0, (cell.fooled - (cell.noise or 0)) / cell.among)


def closeness(cells: Iterable[TransferCell]) -> Closeness:
    """The share of examples that travel, less what noise of the same size fools: the mean over both directions and all
    matrices that the cells come from; without pairs that were not measured."""
    known: dict[frozenset[str], list[float]] = {}
    for cell in cells:
        if cell.source != cell.target and (rate := above_noise(cell)) is not None:
            known.setdefault(frozenset((cell.source, cell.target)), []).append(rate)
    return {pair: sum(rates) / len(rates) for pair, rates in known.items()}


def kinship(cells: Iterable[TransferCell]) -> Closeness:
    """Of what falls to attacks made on the very targets, the part that falls to the pair's examples; above noise, both
    directions and all matrices together.

    A model that is easily fooled falls to examples of anybody, and would seem close to all by rates alone.
    """
    counts: dict[frozenset[str], tuple[int, int]] = {}
    for cell in cells:
        if cell.source == cell.target or cell.rate is None or not cell.among:
            continue
        pair, noise = frozenset((cell.source, cell.target)), cell.noise or 0
        most = cell.among if cell.direct is None else cell.direct
        fell, could = counts.get(pair, (0, 0))
        counts[pair] = fell + max(0, cell.fooled - noise), could + max(0, most - noise)
    return {pair: fell / could for pair, (fell, could) in counts.items() if could}


def clustered(models: Sequence[str], close: Closeness) -> tuple[str, ...]:
    """The leaves of average linkage (Sokal & Michener 1958), from left to right.

    Of two groups that join, each is turned so that the models that meet are the closest ones. Pairs of which nothing is
    known count as far apart; ties go to the models named first.
    """
    groups: list[tuple[str, ...]] = [(name,) for name in models]
    while len(groups) > 1:
        pairs = [(i, j) for i in range(len(groups)) for j in range(i + 1, len(groups))]
        i, j = max(pairs, key=lambda at: _linkage(groups[at[0]], groups[at[1]], close))
        groups[i] = _joined(groups[i], groups[j], close)
        del groups[j]
    return groups[0] if groups else ()


def ordered(result: TransferResult) -> tuple[str, ...]:
    """One order for all matrices of a run, so that they can be laid side by side."""
    cells = [cell for matrix in result.matrices for cell in matrix.cells]
    return clustered(result.models, kinship(cells))


def rows(matrix: TransferMatrix, order: Sequence[str]) -> tuple[str, ...]:
    """The sources of a matrix: models in the order given, then whatever is made on several at once."""
    names = [source.name for source in matrix.sources]
    return (*(name for name in order if name in names), *(name for name in names if name not in order))


def _linkage(a: Sequence[str], b: Sequence[str], close: Closeness) -> float:
    return sum(close.get(frozenset((x, y)), 0.0) for x in a for y in b) / (len(a) * len(b))


def _joined(a: tuple[str, ...], b: tuple[str, ...], close: Closeness) -> tuple[str, ...]:
    ways = [(left, right) for left in (a, a[::-1]) for right in (b, b[::-1])]
    left, right = max(ways, key=lambda way: close.get(frozenset((way[0][-1], way[1][0])), 0.0))
    return left + right
