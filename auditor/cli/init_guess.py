"""What in a folder is a model, and what are labelled samples: by names alone, nothing is opened."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from auditor.samples.folder import EXTENSIONS

_MODELS = (".onnx", ".pt2", ".pt", ".pth")
_TABLES = (".npz", ".parquet")
_HELD_OUT = ("test", "testing", "val", "valid", "validation")
_MOST = 50
"""Entries of a folder that are looked at."""


def guess_model(folder: Path) -> str | None:
    """The first model file, ONNX before others, those that lie higher before those that lie deeper."""
    found = [path for path in _below(folder) if path.suffix.lower() in _MODELS and path.is_file()]
    found.sort(key=lambda path: (_MODELS.index(path.suffix.lower()), len(path.parts), path))
    return found[0].as_posix() if found else None


def guess_data(folder: Path) -> str | None:
    """The first folder of class folders with images, held-out parts before others; else a file of arrays."""
    folders = [path for path in _below(folder) if path.is_dir() and _holds_classes(path)]
    if folders:
        best = min(folders, key=lambda path: (path.name.lower() not in _HELD_OUT, len(path.parts), path))
        return f"{best.as_posix()}/"
    files = [path for path in _below(folder) if path.suffix.lower() in _TABLES and path.is_file()]
    return min(files, key=lambda path: (len(path.parts), path)).as_posix() if files else None


def _below(folder: Path, depth: int = 2) -> Iterator[Path]:
    """What lies in a folder and, down to `depth`, in those below; hidden entries and runs of ours are passed over."""
    for path in _entries(folder):
        if path.name.startswith((".", "auditor-run")):
            continue
        yield path
        if depth and path.is_dir():
            yield from _below(path, depth - 1)


def _holds_classes(folder: Path) -> bool:
    """Whether two folders or more in it hold images, and it is not one of parts such as train and test."""
    classes = [path for path in _entries(folder) if path.is_dir() and any(map(_is_picture, _entries(path)))]
    return len(classes) > 1


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in EXTENSIONS


def _entries(folder: Path) -> list[Path]:
    """Some of its entries in the order of the alphabet; none of a folder that may not be read."""
    try:
        return sorted(islice(folder.iterdir(), _MOST))
    except OSError:
        return []
