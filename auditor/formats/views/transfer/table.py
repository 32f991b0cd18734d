"""Transfer matrices as tables of text, one for every budget: for each pair of models the attack that travels best."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from auditor.formats import words
from auditor.formats.views.transfer.order import ordered

if TYPE_CHECKING:
    from auditor.result.transfer import TransferCell, TransferMatrix, TransferResult

NOTE = (
    "Share of the samples that both models have right. On the diagonal: made on the very model, the ceiling; noise of "
    "the same size is the floor. What transfers is a risk; what does not proves nothing."
)
UNKNOWN = "-"
"""Of a cell that was not measured."""


@dataclass(frozen=True)
class Table:
    """One budget. `rows` are what examples were made on, each with a text for every one of `columns`."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


def tables(result: TransferResult, settings: Mapping[str, Any] | None = None) -> Iterator[Table]:
    """The tables of all budgets, models in one order throughout."""
    order = ordered(result)
    for (norm, eps), group in groupby(result.matrices, key=lambda matrix: (matrix.norm, matrix.eps)):
        matrices = tuple(group)
        attacks = ", ".join(dict.fromkeys(matrix.attack for matrix in matrices))
        worst = f"the most that {attacks} reach" if len(matrices) > 1 else attacks
        yield Table(f"{words.threat(norm, eps, settings)}: {worst}", order, tuple(_rows(matrices, order)))


def _rows(matrices: Sequence[TransferMatrix], order: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    cells = [cell for matrix in matrices for cell in matrix.cells]
    for source in order:
        row = [_highest([c for c in cells if (c.source, c.target) == (source, target)]) for target in order]
        yield source, tuple(_text(rate, own=source == target) for rate, target in zip(row, order, strict=True))
    several = [cell for cell in cells if cell.source not in order]
    if several:
        row = [_highest([cell for cell in several if cell.target == target]) for target in order]
        yield "worst group", tuple(map(_text, row))
    yield "noise", tuple(_text(_noise([cell for cell in cells if cell.target == target])) for target in order)


def _highest(cells: Sequence[TransferCell]) -> float | None:
    return max((cell.rate for cell in cells if cell.rate is not None), default=None)


def _noise(cells: Sequence[TransferCell]) -> float | None:
    """The floor of the cell with the most samples."""
    known = [cell for cell in cells if cell.noise is not None and cell.among]
    widest = max(known, key=lambda cell: cell.among, default=None)
    return None if widest is None or widest.noise is None else widest.noise / widest.among


def _text(rate: float | None, *, own: bool = False) -> str:
    if rate is None:
        return UNKNOWN
    return f"({words.percent(rate, 0)})" if own else words.percent(rate, 0)


def unmeasured(result: TransferResult) -> list[str]:
    """Why cells have no share, a sentence for every reason; and what has no matrix at all."""
    reasons: dict[str, list[str]] = {}
    for matrix in result.matrices:
        for cell in matrix.cells:
            if cell.rate is None:
                reasons.setdefault(cell.reason, []).append(f"{cell.source} on {cell.target}")
    told = [f"not measured: {words.count(len(pairs), 'cell')} ({pairs[0]}…): {why}." for why, pairs in reasons.items()]
    return [*told, *(f"left out: {sentence}" for sentence in result.left_out)]
