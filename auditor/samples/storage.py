"""Bytes on disk, read by position: memory holds what is asked for and no more.

Rows are read, not mapped: pages of a mapping count as memory of the process for as long as the system likes.
"""

from __future__ import annotations

import errno
import os
import tempfile
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from math import prod
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from auditor.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

BLOCK_BYTES = 1 << 22
_MAX_FILE = 1 << 28


class _Held:
    """An open file that is closed with its owner, and that tells when somebody else wrote to it."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self.name = name
        self._file = file
        self._lock = threading.Lock()
        self._close = weakref.finalize(self, file.close)
        self._stamp = _stamp(file)

    def read_into(self, offset: int, target: memoryview) -> None:
        """Fill `target` with the bytes at `offset`. Raises DataError where the file is no longer what it was."""
        with self._lock:
            try:
                self._file.seek(offset)
                got = self._file.readinto(target)  # type: ignore[attr-defined]
            except OSError as error:
                raise DataError(f"{self.name} can no longer be read ({error.strerror}).") from error
            if got != len(target) or _stamp(self._file) != self._stamp:
                raise DataError(f"{self.name} was changed while it was being audited; leave it alone and start again.")


def _stamp(file: IO[bytes]) -> tuple[int, int]:
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns


class RowFile(_Held):
    """An array `(N, …)` in a file, in C order from `offset` on."""

    def __init__(self, file: IO[bytes], name: str, offset: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        super().__init__(file, name)
        self.dtype, self.shape = dtype, shape
        self._offset = offset
        self._stride = prod(shape[1:]) * dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, positions: NDArray[np.int64]) -> NDArray[Any]:
        """The rows at these positions, `(n, …)`; neighbours are read at once."""
        rows = np.empty((len(positions), *self.shape[1:]), self.dtype)
        if rows.size == 0:
            return rows
        view = rows.reshape(len(positions), -1).view(np.uint8)
        edges = np.flatnonzero(np.diff(positions) != 1) + 1
        for start, stop in pairwise([0, *edges.tolist(), len(positions)]):
            offset = self._offset + int(positions[start]) * self._stride
            self.read_into(offset, view[start:stop].data.cast("B"))
        return rows

    def blocks(self, positions: NDArray[np.int64] | None = None) -> Iterator[NDArray[np.int64]]:
        """These positions, or all, in runs whose rows fit into a few megabytes."""
        positions = np.arange(len(self)) if positions is None else positions
        step = max(1, BLOCK_BYTES // max(1, self._stride))
        for start in range(0, len(positions), step):
            yield positions[start : start + step]


class Spool:
    """Byte strings one after the other in an unnamed temporary file, which vanishes with its owner."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 -- lives as long as what is read from it
        self._ends = [0]

    def append(self, data: bytes | memoryview) -> None:
        """Add one byte string. Raises DataError where the disk is full."""
        with self._space():
            self._file.write(data)
        self._ends.append(self._ends[-1] + len(data))

    def file(self) -> IO[bytes]:
        """The file, with everything written; whoever takes it closes it."""
        with self._space():
            self._file.flush()
        return self._file

    def rows(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> RowFile:
        """What was written, as one array."""
        return RowFile(self.file(), self._name, 0, dtype, shape)

    def strings(self) -> StringFile:
        """What was written, string by string."""
        return StringFile(self.file(), self._name, self._ends)

    @contextmanager
    def _space(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DataError(
                f"{self._name} needs more temporary space than {tempfile.gettempdir()} has ({error.strerror}); "
                "point TMPDIR to a larger disk, or take fewer samples with --samples."
            ) from error


class StringFile(_Held):
    """Byte strings in a file, by number."""

    def __init__(self, file: IO[bytes], name: str, ends: Sequence[int]) -> None:
        super().__init__(file, name)
        self._ends = np.asarray(ends, dtype=np.int64)

    def read(self, number: int) -> bytes:
        start, stop = self._ends[number : number + 2].tolist()
        data = bytearray(stop - start)
        self.read_into(start, memoryview(data))
        return bytes(data)


def spooled(name: str, blocks: Iterable[NDArray[Any]]) -> Spool:
    """Arrays that come block by block, one after the other in a temporary file."""
    spool = Spool(name)
    for block in blocks:
        spool.append(np.ascontiguousarray(block).reshape(-1).view(np.uint8).data)
    return spool


class FileList:
    """Files by number, each as it was when it was first read."""

    def __init__(self, paths: Sequence[Path | str]) -> None:
        self._paths = paths
        self._stamps = np.full((len(paths), 2), -1, dtype=np.int64)

    def read(self, number: int) -> bytes:
        """The content of a file. Raises OSError where it cannot be read; DataError where it changed meanwhile."""
        path = self._paths[number]
        if not os.path.isfile(path):  # a pipe or device would never end
            raise OSError(errno.ENOENT, "is not there" if not os.path.exists(path) else "is not a regular file")
        with open(path, "rb") as file:
            stamp = _stamp(file)
            known = tuple(self._stamps[number].tolist())
            if known != (-1, -1) and known != stamp:
                raise DataError(f"{path} was changed while it was being audited; leave it alone and start again.")
            if stamp[0] > _MAX_FILE:
                raise OSError(errno.EFBIG, f"is larger than {_MAX_FILE >> 20} MiB")
            self._stamps[number] = stamp
            return file.read()
