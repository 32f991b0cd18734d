"""CIFAR's batches are Python pickles. They are read here with nothing that a pickle could call but inert stand-ins."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from auditor.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LARGEST = 1 << 28


class _Type:
    """Stands in for `numpy.dtype`: remembers what it was asked for."""

    def __init__(self, code: Any = None, *_: Any) -> None:
        self.code = code

    def __setstate__(self, state: Any) -> None:
        """Byte order and the like, which bytes do not have."""


class _Array:
    """Stands in for `numpy.ndarray`: keeps its state for `bytes_array` to judge."""

    state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def bytes_array(self) -> NDArray[np.uint8]:
        """The array, if it is one of bytes in C order. Raises ValueError otherwise."""
        _, shape, kind, fortran, data = self.state
        if not isinstance(kind, _Type) or kind.code not in ("u1", b"u1") or fortran or not isinstance(data, bytes):
            raise ValueError("an array that is not of bytes")
        return np.frombuffer(data, dtype=np.uint8).reshape(shape)


def _array(*_: Any) -> _Array:
    return _Array()


def _encode(text: str, *_: Any) -> bytes:
    """What `_codecs.encode` does for the byte strings of Python 2 that Python 3 wrote down again."""
    return text.encode("latin-1")


_STAND_INS: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
    ("numpy.core.multiarray", "_reconstruct"): _array,
    ("numpy._core.multiarray", "_reconstruct"): _array,
    ("_codecs", "encode"): _encode,
}


class _Inert(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _STAND_INS[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not allowed") from None


def read_batch(path: Path) -> dict[str, Any]:
    """The dictionary of a batch: lists, strings and arrays of bytes, keys as text.

    Raises DataError for anything else, and for files larger than any batch.
    """
    if path.stat().st_size > _LARGEST:
        raise DataError(f"{path} is larger than any batch of CIFAR; it is not opened.")
    try:
        with path.open("rb") as file:
            content = _load(file)
            return {_text(key): _plain(value) for key, value in content.items()}
    except Exception as error:  # a damaged pickle raises nearly anything
        raise DataError(f"{path} is no batch of CIFAR that can be read ({error}); download it again.") from error


def _load(file: IO[bytes]) -> dict[Any, Any]:
    content = _Inert(file, encoding="bytes").load()
    if not isinstance(content, dict):
        raise ValueError("it holds no dictionary")
    return content


def _plain(value: Any) -> Any:
    if isinstance(value, _Array):
        return value.bytes_array()
    if isinstance(value, list):
        return [_text(entry) for entry in value]
    return _text(value)


def _text(value: Any) -> Any:
    return value.decode("latin-1") if isinstance(value, bytes) else value
