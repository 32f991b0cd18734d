"""Files as they come from broken downloads and from enemies: what loaders have to cope with."""

from __future__ import annotations

import io
import os
import pickle
import random
import zipfile
from collections.abc import Iterator

import numpy as np
import torch

_FLIPS = 12
_MEMBERS = 64


def unusable(content: bytes) -> Iterator[tuple[str, bytes]]:
    """What is no model any more, however it is read: `(what happened, content)`."""
    yield "is empty", b""
    yield "is cut in half", content[: len(content) // 2]
    yield "holds noise", random.Random(0).randbytes(max(64, min(len(content), 1 << 16)))
    yield "is a page that says it was not found", b"<!DOCTYPE html>\n<html><body>404 Not Found</body></html>\n"
    yield (
        "is a pointer of Git LFS",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 9\n",
    )


def damaged(content: bytes) -> Iterator[tuple[str, bytes]]:
    """What may or may not be a model still: `(what happened, content)`."""
    yield "lacks its last byte", content[:-1]
    yield "holds as many zeros", bytes(len(content))
    dice = random.Random(1)
    for _ in range(_FLIPS):
        place = dice.randrange(len(content))
        changed = bytearray(content)
        changed[place] ^= 1 << dice.randrange(8)
        yield f"has a flipped bit in byte {place}", bytes(changed)


class _Trap:
    """Whoever unpickles it makes a folder."""

    def __init__(self, marker: str) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.marker,)


def pickles(content: bytes, marker: str) -> Iterator[bytes]:
    """Pickles that make the folder `marker` where they are opened: bare, as libraries wrap them, in a zip's members."""
    trap = _Trap(marker)
    bare, wrapped, array, arrays = pickle.dumps(trap), io.BytesIO(), io.BytesIO(), io.BytesIO()
    torch.save({"weight": trap}, wrapped)
    np.save(array, np.array([trap], dtype=object), allow_pickle=True)
    yield from (bare, wrapped.getvalue(), array.getvalue())
    if not zipfile.is_zipfile(io.BytesIO(content)):
        np.savez(arrays, weight=np.array([trap], dtype=object))
        yield arrays.getvalue()
        return
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    for name in list(members)[:_MEMBERS]:
        planted = {**members, name: array.getvalue() if name.endswith(".npy") else bare}
        yield _zipped(planted)


def _zipped(members: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return made.getvalue()
