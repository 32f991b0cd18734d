"""A folder of class folders of images."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from auditor.errors import DataError
from auditor.samples.base import Skipped
from auditor.samples.classes import numbering
from auditor.samples.images import ImageSamples
from auditor.samples.listing import Listing, printable
from auditor.samples.storage import FileList

if TYPE_CHECKING:
    from auditor.samples.base import SampleOptions, Samples

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"})
_PARTS = frozenset({"train", "training", "test", "testing", "val", "valid", "validation"})


def open_folder(folder: Path, options: SampleOptions) -> Samples:
    """Images in folders named for their classes, at any depth below.

    Folders named 0, 1, … 10 are labels by value; other names count in sorted order, or in that of `options.classes`.
    An empty class folder keeps its place in that order.

    Raises DataError where there is no class folder, or where the folders are the parts of a data set.
    """
    names = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and _visible(entry.name))
    loose = sorted(e.name for e in os.scandir(folder) if not e.is_dir() and _visible(e.name) and _is_image(e.name))
    if not names:
        what = f"{len(loose)} images but no class folders" if loose else "no class folders"
        raise DataError(f"{folder} holds {what}; put the images into one folder per class, named like the class.")
    if all(name.lower() in _PARTS for name in names):
        raise DataError(
            f"{folder} holds the parts {', '.join(names)} of a data set; name one of them, as {folder / names[0]}."
        )
    numbers, classes = numbering([printable(name) for name in names], options.classes, str(folder))
    files: list[str] = []
    labels: list[int] = []
    skipped = [Skipped(printable(name), "lies in no class folder") for name in loose]
    for name in names:
        found = sorted(f"{name}/{below}" for below in _images_below(folder / name, (_identity(folder),)))
        files += found
        labels += [numbers[printable(name)]] * len(found)
        if not found:
            skipped.append(Skipped(printable(name), "is a class folder without images"))
    listing = Listing(
        str(folder), np.array(labels, dtype=np.int64), [printable(file) for file in files], classes, tuple(skipped)
    )
    blobs = FileList([f"{folder}/{file}" for file in files])
    return ImageSamples(listing, blobs, listing.take(options), options)


def _images_below(folder: Path, above: tuple[tuple[int, int], ...]) -> Iterator[str]:
    """Paths of images relative to `folder`, with `/`. Links are followed, each real folder once."""
    seen = {*above, _identity(folder)}
    pending = [""]
    while pending:
        prefix = pending.pop()
        with os.scandir(folder / prefix) as entries:
            for entry in entries:
                if not _visible(entry.name):
                    continue
                if entry.is_dir():
                    identity = _identity(Path(entry.path))
                    if identity not in seen:
                        seen.add(identity)
                        pending.append(f"{prefix}{entry.name}/")
                elif _is_image(entry.name):
                    yield f"{prefix}{entry.name}"


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in EXTENSIONS


def _visible(name: str) -> bool:
    return not name.startswith((".", "__MACOSX"))
