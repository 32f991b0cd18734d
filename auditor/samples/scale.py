"""From what an array holds to pixels in `[0, 1]`: decided once for the whole array, or refused with what was found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from auditor.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from auditor.samples.storage import RowFile

# Rounding on the way to the file; more than that is a mistake that must not be clipped away.
_ROUNDING = 1e-4
# Floats up to 255 are bytes, but those that end at 16, 64 or 100 are something else, and dark at best.
_LEAST_BYTE_MAXIMUM = 127


@dataclass(frozen=True)
class Scale:
    """What the values of an array are divided by to reach `[0, 1]`; `uint8` keeps them as bytes instead."""

    divisor: float
    as_bytes: bool = False

    def apply(self, values: NDArray[Any]) -> NDArray[Any]:
        """Pixels as uint8 in `0 … 255`, or float32 in `[0, 1]`; the shape stays."""
        if self.as_bytes:
            if values.dtype == np.bool_:
                values = (values.view(np.uint8) != 0) * np.uint8(255)
            return values.astype(np.uint8, copy=False)
        unit = np.divide(values, self.divisor, dtype=np.float64 if values.dtype.itemsize > 4 else np.float32)
        pixels: NDArray[Any] = np.clip(unit, 0, 1).astype(np.float32, copy=False)
        return pixels


@dataclass
class Survey:
    """What a whole array holds: how it is scaled, and which rows have values that are not finite."""

    scale: Scale
    broken: set[int] = field(default_factory=set)


def survey(rows: RowFile, source: str) -> Survey:
    """Decide the scale of an array from its type and its range, over all rows whichever are drawn.

    Raises DataError where the values are in neither `[0, 1]` nor `0 … 255`.
    """
    if rows.dtype.kind == "b":
        return Survey(Scale(1, as_bytes=True))
    if rows.dtype == np.uint8:
        for block in rows.blocks():
            if int(highest := rows.read(block).max()) > 1:
                return Survey(Scale(255, as_bytes=True))
        _refuse_ones(source, rows.dtype, int(highest))
        return Survey(Scale(255, as_bytes=True))
    low, high, broken = _range(rows)
    if rows.dtype.kind == "f":
        return Survey(_float_scale(low, high, source), broken)
    _refuse_ones(source, rows.dtype, int(high))
    if rows.dtype == np.uint16 and high > 255:
        return Survey(Scale(65535))
    if low < 0 or not (high == 0 or _LEAST_BYTE_MAXIMUM < high <= 255):
        raise DataError(_unknown(source, low, high))
    return Survey(Scale(255, as_bytes=True))


def _range(rows: RowFile) -> tuple[float, float, set[int]]:
    """Lowest and highest value of the rows that are finite throughout, and the other rows."""
    low, high = np.inf, -np.inf
    broken: set[int] = set()
    for block in rows.blocks():
        values = rows.read(block).reshape(len(block), -1)
        fine = np.isfinite(values).all(axis=1)
        broken.update(block[~fine].tolist())
        values = values if fine.all() else values[fine]
        if len(values):
            low, high = min(low, float(values.min())), max(high, float(values.max()))
    return low, high, broken


def _float_scale(low: float, high: float, source: str) -> Scale:
    if low > high:  # no row is finite, which is for the caller to say
        return Scale(1)
    if low >= -_ROUNDING and high <= 1 + _ROUNDING:
        return Scale(1)
    if low >= -_ROUNDING * 255 and _LEAST_BYTE_MAXIMUM < high <= 255 * (1 + _ROUNDING):
        return Scale(255)
    raise DataError(_unknown(source, low, high))


def _unknown(source: str, low: float, high: float) -> str:
    found = f"{source} holds pixels from {low:.4g} to {high:.4g}"
    if low < 0 and max(-low, high) < 20:
        return (
            f"{found}, so it looks already normalised; save the pixels in [0, 1] or as uint8, and leave "
            "the normalisation to the model (--mean, --std, --input-range)."
        )
    return f"{found}, which is neither [0, 1] nor 0 to 255; save them as uint8, or as floats in [0, 1]."


def _refuse_ones(source: str, dtype: np.dtype[Any], high: int) -> None:
    if high == 1:
        raise DataError(
            f"{source} holds only the integers 0 and 1 ({dtype}), so it is unclear whether 1 is white; "
            "save it as floats in [0, 1], as booleans, or as uint8 with white at 255."
        )
