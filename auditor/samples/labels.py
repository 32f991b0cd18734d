"""Labels as sources write them: numbers, one-hot rows, names; and as an audit needs them: `(N,)` int64."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from auditor.errors import DataError
from auditor.samples.classes import numbering

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from auditor.samples.storage import RowFile

    Named: TypeAlias = tuple[NDArray[np.int64], tuple[str, ...] | None]

_ABSENT = frozenset({"", "-1", "nan", "none", "null"})
_HIGHEST = 2**31 - 1


def from_texts(texts: Sequence[str | None], classes: tuple[str, ...] | None, source: str) -> Named:
    """Labels written as text, whole numbers or class names; -1 where there is none."""
    present = [None if text is None or text.casefold() in _ABSENT else text for text in texts]
    numbers, names = numbering([text for text in present if text is not None], classes, source)
    return np.array([-1 if text is None else numbers[text] for text in present], dtype=np.int64), names


def from_numbers(
    values: NDArray[Any], known: tuple[str, ...] | None, classes: tuple[str, ...] | None, source: str
) -> Named:
    """Labels `(N,)` written as numbers, which are positions in `known` where the source names its classes.

    With both `known` and `classes`, names carry a label from the one order to the other. Negative or NaN is no label.
    Raises DataError for fractions, for labels beyond `known`, and for names that `classes` lacks.
    """
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), -1, values)
        if not (values == np.floor(values)).all():
            wrong = values[values != np.floor(values)][0]
            raise DataError(f"{source} has the label {wrong:g}; labels are whole numbers from 0 on, one per sample.")
    if len(values) and values.max() > _HIGHEST:
        raise DataError(f"{source} has the label {values.max():g}; labels are the numbers of classes, from 0 on.")
    labels = np.maximum(values, -1).astype(np.int64) if values.dtype.kind in "if" else values.astype(np.int64)
    if known is None:
        return labels, classes
    if len(labels) and labels.max() >= len(known):
        raise DataError(
            f"{source} has the label {labels.max()} but names only {len(known)} classes, numbered from 0; correct it."
        )
    if classes is None:
        return labels, known
    used = np.unique(labels[labels >= 0]).tolist()
    numbers, names = numbering([known[label] for label in used], classes, source)
    table = np.full(len(known) + 1, -1, dtype=np.int64)  # the last entry is what -1 finds
    table[used] = [numbers[known[label]] for label in used]
    return table[labels], names


def from_rows(rows: RowFile, known: tuple[str, ...] | None, classes: tuple[str, ...] | None, source: str) -> Named:
    """Labels of an array on disk: `(N,)` or `(N, 1)` numbers or names, or `(N, K)` one-hot rows."""
    if len(rows.shape) > 2:
        raise DataError(f"{source} holds labels of shape {rows.shape}; labels are (N,), a whole number per sample.")
    parts = [_flat(rows.read(block), source) for block in rows.blocks()]
    values = np.concatenate(parts) if parts else np.empty(0, np.int64)
    if values.dtype.kind == "U":
        return from_texts(values.tolist(), classes, source)
    return from_numbers(values, known, classes, source)


def _flat(block: NDArray[Any], source: str) -> NDArray[Any]:
    if block.ndim == 1 or block.shape[1] == 1:
        return block.reshape(len(block))
    if block.dtype.kind not in "buif" or not (((block == 0) | (block == 1)).all() and (block.sum(1) == 1).all()):
        raise DataError(
            f"{source} holds labels of shape (N, {block.shape[1]}) that are not one-hot; save one number per sample."
        )
    numbers: NDArray[Any] = block.argmax(1)
    return numbers
