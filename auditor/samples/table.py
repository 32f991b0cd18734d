"""A CSV of path and label."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from auditor.errors import DataError
from auditor.samples.base import Skipped
from auditor.samples.images import ImageSamples
from auditor.samples.labels import from_texts
from auditor.samples.listing import Listing, printable
from auditor.samples.storage import FileList

if TYPE_CHECKING:
    from auditor.samples.base import SampleOptions, Samples

_PATH = ("path", "file", "filename", "image", "filepath", "file_path", "file_name", "image_path", "img")
_LABEL = ("label", "class", "target", "class_name", "label_name", "y")


def open_table(path: Path, options: SampleOptions) -> Samples:
    """Images named by a CSV (commas, semicolons or tabs), relative to `options.root` or else to the CSV.

    Columns are found by their names in the first line, or are path and label where it has no names. Labels are
    whole numbers or class names.

    Raises DataError where columns cannot be told, the file is no text, or it names nothing.
    """
    root = Path(options.root).expanduser() if options.root else path.parent
    if not root.is_dir():
        raise DataError(f"There is no folder {root} for the paths of {path} to start from; check the root.")
    files: list[str] = []
    texts: list[str] = []
    skipped: list[Skipped] = []
    try:
        for line, file, text in _rows(path, root):
            if text is None:
                skipped.append(Skipped(f"line {line}", file))
            elif reason := _outside(file):
                skipped.append(Skipped(printable(file), reason))
            else:
                files.append(file)
                texts.append(text)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text; save the CSV as UTF-8.") from error
    except csv.Error as error:
        raise DataError(f"{path} is no CSV that can be read ({error}); save it again.") from error
    labels, classes = from_texts(texts, options.classes, str(path))
    listing = Listing(str(path), labels, [printable(file) for file in files], classes, tuple(skipped))
    # os.path.join leaves a path alone that the user wrote as absolute.
    blobs = FileList([os.path.join(root, file) for file in files])
    return ImageSamples(listing, blobs, listing.take(options), options)


def _rows(path: Path, root: Path) -> Iterator[tuple[int, str, str | None]]:
    """Line number, file and label of every row; a row that does not fit gives the reason and None."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = file.readline()
        delimiter = max("\t;,", key=first.count)
        file.seek(0)
        reader = csv.reader(file, delimiter=delimiter)
        rows = ((reader.line_num, [cell.strip() for cell in row]) for row in reader if any(map(str.strip, row)))
        start = next(rows, None)
        if start is None:
            raise DataError(f"{path} holds no rows; write a line with path and label for every image.")
        columns = _columns(path, start[1])
        if columns is None:
            _expect_no_header(path, root, start[1])
            yield start[0], start[1][0], start[1][1]
        where, what = columns or (0, 1)
        for line, row in rows:
            if len(row) != len(start[1]):
                yield line, f"has {len(row)} cells where the first line has {len(start[1])}", None
            else:
                yield line, row[where], row[what]


def _columns(path: Path, cells: Sequence[str]) -> tuple[int, int] | None:
    """Places of the path and the label, or None where the first line has no column names."""
    lower = [cell.lower() for cell in cells]
    where = next((lower.index(name) for name in _PATH if name in lower), None)
    what = next((lower.index(name) for name in _LABEL if name in lower), None)
    if where is not None and what is not None:
        return where, what
    if where is None and what is None and len(cells) == 2:
        return None
    missing = "paths" if where is None else "labels"
    raise DataError(
        f"{path} has the columns {', '.join(cells)}, and none is known to hold {missing}; "
        "name the two columns path and label."
    )


def _expect_no_header(path: Path, root: Path, cells: Sequence[str]) -> None:
    """A header in words that we do not know would become a class of its own, and shift all others."""
    if not os.path.splitext(cells[0])[1] and not os.path.exists(os.path.join(root, cells[0])):
        raise DataError(
            f"The first line of {path} ({', '.join(cells)}) neither names the columns path and label nor a file; "
            "correct it."
        )


def _outside(file: str) -> str | None:
    if not os.path.isabs(file) and os.path.normpath(file).startswith(".."):
        return "leads out of the root folder; write it as an absolute path, or set the root higher"
    return None
