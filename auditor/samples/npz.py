"""`.npz` archives, read without unpickling anything and without holding them in memory."""

from __future__ import annotations

import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from auditor.errors import DataError
from auditor.samples.arrays import ArraySamples
from auditor.samples.labels import from_rows
from auditor.samples.listing import Listing
from auditor.samples.storage import BLOCK_BYTES, RowFile, Spool, spooled

if TYPE_CHECKING:
    from auditor.samples.base import SampleOptions, Samples

_PAIRS = (
    ("x", "y"),
    ("images", "labels"),
    ("image", "label"),
    ("x_{split}", "y_{split}"),
    ("{split}_images", "{split}_labels"),
    ("data", "target"),
    ("data", "labels"),
)
_CLASS_NAMES = ("classes", "class_names")
_LARGE = 1 << 30
_MOST_COMPRESSION = 200


@dataclass(frozen=True)
class _Member:
    """One array of an archive, as its header declares it."""

    info: zipfile.ZipInfo
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    start: int


def open_npz(path: Path, options: SampleOptions) -> Samples:
    """Samples and labels of an `.npz`: `x` and `y`, or another usual pair of names.

    Arrays that are stored as they are get read in place; compressed ones are first unpacked to a temporary file.

    Raises DataError for an archive that is damaged, lacks the arrays, holds pickles, or is not what it declares.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy").lower(): info for info in archive.infolist()}
            pixels, labels = _pair(path, members, options.split)
            x, y = _header(path, archive, pixels), _header(path, archive, labels)
            if not x.shape or not y.shape or x.shape[0] != y.shape[0]:
                raise DataError(
                    f"{path} holds samples of shape {x.shape} and labels of shape {y.shape}; "
                    "their first numbers must be equal."
                )
            if x.dtype.kind == "U":
                raise DataError(f"{path} holds text where pixels are expected; save numbers.")
            names = _class_names(path, archive, members)
            numbers, classes = from_rows(_rows(path, archive, y), names, options.classes, str(path))
            listing = Listing(str(path), numbers, classes=classes)
            return ArraySamples(listing, _rows(path, archive, x), options)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        struct.error,
        RuntimeError,
        ValueError,
    ) as error:
        raise DataError(f"{path} is no complete .npz ({error}); write or download it again.") from error


def _pair(path: Path, members: Mapping[str, zipfile.ZipInfo], split: str) -> tuple[zipfile.ZipInfo, zipfile.ZipInfo]:
    for pixels, labels in _PAIRS:
        pixels, labels = pixels.format(split=split), labels.format(split=split)
        if pixels in members and labels in members:
            return members[pixels], members[labels]
    held = ", ".join(sorted(members)) or "nothing"
    raise DataError(f"{path} should hold the arrays x and y, and holds {held}; save it with np.savez(file, x=…, y=…).")


def _header(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    """What a member declares, after checking that it is an array of plain numbers or text of just that size."""
    if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{path} is encrypted or packed unusually; save it with np.savez or np.savez_compressed.")
    with archive.open(info) as file:
        try:
            version = np.lib.format.read_magic(file)
            if version not in ((1, 0), (2, 0)):
                raise ValueError(f"version {version}")
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(file)
        except ValueError as error:
            raise DataError(f"{info.filename} in {path} is no NumPy array ({error}); save it again.") from error
        start = file.tell()
    if dtype.hasobject:
        raise DataError(f"{info.filename} in {path} is a pickle of Python objects and not opened; save numbers.")
    if dtype.kind not in "buifU" or not dtype.itemsize:
        raise DataError(f"{info.filename} in {path} holds {dtype}; save numbers.")
    if start + prod(shape) * dtype.itemsize != info.file_size or min(shape[1:], default=1) < 1:
        raise DataError(
            f"{info.filename} in {path} declares the shape {shape} of {dtype} but holds {info.file_size - start} "
            "bytes; write or download it again."
        )
    if info.file_size > max(_LARGE, _MOST_COMPRESSION * info.compress_size):
        raise DataError(
            f"{info.filename} in {path} would unpack {info.compress_size} bytes to {info.file_size}, as no real data "
            "does; it is not opened."
        )
    return _Member(info, shape, dtype, fortran and len(shape) > 1 and prod(shape) > 0, start)


def _rows(path: Path, archive: zipfile.ZipFile, member: _Member) -> RowFile:
    """The array of a member: in place where it is stored as it is, else from a temporary file."""
    name = f"{member.info.filename} in {path}"
    if member.info.compress_type == zipfile.ZIP_STORED:
        start = member.start + _offset(path, member.info)
        file: IO[bytes] = path.open("rb")
    else:
        file, start = _unpacked(archive, member, name), 0
    if not member.fortran:
        return RowFile(file, name, start, member.dtype, member.shape)
    with file:
        columns = np.memmap(file, member.dtype, "r", start, member.shape, order="F")
        step = max(1, BLOCK_BYTES // (prod(member.shape[1:]) * member.dtype.itemsize))
        blocks = (columns[first : first + step] for first in range(0, member.shape[0], step))
        return spooled(name, blocks).rows(member.dtype, member.shape)


def _unpacked(archive: zipfile.ZipFile, member: _Member, name: str) -> IO[bytes]:
    needed, free = member.info.file_size, shutil.disk_usage(tempfile.gettempdir()).free
    if needed > free:
        raise DataError(
            f"{name} unpacks to {needed >> 20} MiB and {tempfile.gettempdir()} has {free >> 20} MiB left; "
            "point TMPDIR to a larger disk, or save it with np.savez, uncompressed."
        )
    spool = Spool(name)
    with archive.open(member.info) as packed:
        packed.read(member.start)
        while data := packed.read(BLOCK_BYTES):
            spool.append(data)
    return spool.file()


def _offset(path: Path, info: zipfile.ZipInfo) -> int:
    """Where the bytes of a stored member begin: after its local header, whose length only it knows."""
    with path.open("rb") as file:
        file.seek(info.header_offset)
        header = file.read(30)
    if len(header) != 30 or header[:4] != b"PK\x03\x04":
        raise zipfile.BadZipFile(f"no header at {info.header_offset}")
    name, extra = struct.unpack("<HH", header[26:])
    return info.header_offset + 30 + int(name) + int(extra)


def _class_names(
    path: Path, archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo]
) -> tuple[str, ...] | None:
    for name in _CLASS_NAMES:
        if name in members:
            member = _header(path, archive, members[name])
            if member.dtype.kind == "U" and len(member.shape) == 1 and member.shape[0]:
                rows = _rows(path, archive, member)
                return tuple(rows.read(np.arange(len(rows))).tolist())
    return None
