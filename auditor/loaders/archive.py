"""Zip archives that may be hostile: what is in them, read into memory within bounds, nothing unpacked to disk."""

from __future__ import annotations

import zipfile
from collections import Counter
from pathlib import Path, PurePosixPath

from auditor.errors import ModelError

_DAMAGE = (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError, RuntimeError)


def names(path: Path) -> tuple[str, ...]:
    """Member names below the archive's root folder, if it has one; empty where `path` is no readable zip archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            return tuple(_below_root([info.filename for info in archive.infolist()]))
    except _DAMAGE:
        return ()


def read(path: Path) -> dict[str, bytes]:
    """All members by their name below the archive's root folder, if it has one.

    PyTorch stores members uncompressed, so that together they are never larger than the file itself: whatever
    claims otherwise is a zip bomb.

    Raises:
        ModelError: the archive is damaged, compressed, larger inside than outside, names one member twice, or names
            a member outside itself.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            _refuse_odd(path, members)
            keys = _below_root([info.filename for info in members])
            return {key: archive.read(info) for key, info in zip(keys, members, strict=True)}
    except _DAMAGE as error:
        raise ModelError(f"{path} is damaged: {error}. Copy or export it again.") from error


def _refuse_odd(path: Path, members: list[zipfile.ZipInfo]) -> None:
    for info in members:
        name = PurePosixPath(info.filename)
        if name.is_absolute() or ".." in name.parts or "\\" in info.filename or ":" in info.filename:
            raise ModelError(f"{path} names a member outside the archive ({info.filename!r}); it is not loaded.")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise ModelError(
                f"{path} holds a compressed member ({info.filename!r}), which PyTorch never writes and which may "
                "unpack to any size; it is not loaded. Export the model again."
            )
    twice = [name for name, count in Counter(info.filename for info in members).items() if count > 1]
    if twice:
        raise ModelError(f"{path} holds {twice[0]!r} more than once, so readers disagree on it; it is not loaded.")
    if sum(info.file_size for info in members) > path.stat().st_size:
        raise ModelError(f"{path} claims to hold more than its own size, as a zip bomb does; it is not loaded.")


def _below_root(filenames: list[str]) -> list[str]:
    roots = {filename.partition("/")[0] for filename in filenames}
    if len(roots) == 1 and all("/" in filename for filename in filenames):
        return [filename.partition("/")[2] for filename in filenames]
    return filenames
