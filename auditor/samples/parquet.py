"""Parquet with image bytes and labels, as the Hugging Face hub stores image data sets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from auditor.errors import DataError
from auditor.samples.images import ImageSamples
from auditor.samples.labels import from_numbers, from_texts
from auditor.samples.listing import Listing, printable
from auditor.samples.storage import Spool, StringFile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from auditor.samples.base import SampleOptions, Samples

_IMAGE = ("image", "img", "images", "picture", "bytes")
_LABEL = ("label", "labels", "fine_label", "class", "target", "y", "label_name", "class_name")
_SHARD = re.compile(r"(.+?)-\d+-of-\d+(?:-[0-9a-f]+)?")
_ROWS = 64


@dataclass(frozen=True)
class _Columns:
    """Which columns hold the images and labels; `nested` where an image is a struct of bytes and path."""

    image: str
    label: str
    nested: bool
    names: tuple[str, ...] | None


def shards(folder: Path, split: str) -> list[Path]:
    """The Parquet files of a folder (or its `data`), in order; where they are of several parts, those of `split`.

    Raises DataError where there are several parts and none of that name.
    """
    found = sorted(path for home in (folder, folder / "data") for path in home.glob("*.parquet") if path.is_file())
    parts: dict[str, list[Path]] = {}
    for path in found:
        match = _SHARD.fullmatch(path.stem)
        parts.setdefault(match[1] if match else "", []).append(path)
    if len(parts) < 2:
        return found
    if split not in parts:
        named = ", ".join(repr(part) for part in sorted(parts) if part) + (" and files of none" if "" in parts else "")
        raise DataError(
            f"{folder} holds the parts {named}, and not {split!r}; name a Parquet file, or a folder of one part."
        )
    return parts[split]


def open_parquet(source: Path, files: Sequence[Path], options: SampleOptions) -> Samples:
    """Images and labels of Parquet files, one after the other.

    Label columns are read at once; images row group by row group, of which those taken go, still encoded, to a
    temporary file, since Parquet can only be read from the start of a group. Needs pyarrow.

    Raises DataError where pyarrow is missing, a file is damaged, or the columns are not an image and a label.
    """
    try:
        import pyarrow as pa
    except ImportError as error:
        raise DataError(
            f"{source} is Parquet, which needs pyarrow; install it with: pip install 'auditor[parquet]'"
        ) from error
    try:
        return _open(source, files, options)
    except (pa.ArrowException, ValueError, KeyError) as error:
        raise DataError(f"{source} cannot be read as Parquet ({error}); write or download it again.") from error


def _open(source: Path, files: Sequence[Path], options: SampleOptions) -> Samples:
    columns = _columns(files[0])
    listing = _listing(source, files, columns, options)
    taken = listing.take(options)
    spool = Spool(f"{source} (its images)")
    for image in _images(files, columns, taken):
        spool.append(image)
    return ImageSamples(listing, _Copied(spool.strings(), taken), taken, options)


class _Copied:
    """Encoded images by their positions in the source, from the file that holds those taken."""

    def __init__(self, strings: StringFile, taken: NDArray[np.int64]) -> None:
        self._strings, self._taken = strings, taken

    def read(self, number: int) -> bytes:
        return self._strings.read(int(np.searchsorted(self._taken, number)))


def _columns(file: Path) -> _Columns:
    """The image and the label by what the hub's metadata says, else by their names."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pq.read_schema(file)
    features = _features(schema.metadata or {})
    kinds = {name: feature.get("_type") for name, feature in features.items() if isinstance(feature, dict)}
    encoded = {field.name: pa.types.is_struct(field.type) for field in schema if _holds_bytes(field.type)}
    images = [name for name in encoded if kinds.get(name) == "Image"] or [n for n in _IMAGE if n in encoded]
    images = images or (list(encoded) if len(encoded) == 1 else [])
    names = {name.lower(): name for name in schema.names if name not in encoded}
    labels = [names[name] for name in _LABEL if name in names]
    labels = labels or [name for name in schema.names if kinds.get(name) == "ClassLabel"]
    if not images or not labels:
        missing = "image bytes" if not images else "labels"
        raise DataError(
            f"{file} has the columns {', '.join(schema.names)}, and none is known to hold {missing}; "
            "name the columns image and label."
        )
    return _Columns(images[0], labels[0], encoded[images[0]], _class_names(features.get(labels[0])))


def _features(metadata: dict[bytes, bytes]) -> dict[str, Any]:
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError):  # not from the hub, or not as the hub writes it
        return {}
    return features if isinstance(features, dict) else {}


def _class_names(feature: Any) -> tuple[str, ...] | None:
    names = feature.get("names") if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" else None
    return tuple(map(str, names)) if isinstance(names, list) and names else None


def _holds_bytes(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and _holds_bytes(kind.field("bytes").type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _listing(source: Path, files: Sequence[Path], columns: _Columns, options: SampleOptions) -> Listing:
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = [columns.label, f"{columns.image}.path"] if columns.nested else [columns.label]
    tables = []
    for path in files:
        with pq.ParquetFile(path) as file:
            tables.append(file.read(columns=wanted))
    values = pa.chunked_array([chunk for table in tables for chunk in table[columns.label].chunks])
    paths = [path for table in tables for path in _paths(table, columns)]
    names = [printable(path) if path else str(position) for position, path in enumerate(paths)]
    if pa.types.is_integer(values.type) or pa.types.is_floating(values.type) or pa.types.is_boolean(values.type):
        numbers = values.cast(pa.float64() if pa.types.is_floating(values.type) else pa.int64()).fill_null(-1)
        labels, classes = from_numbers(numbers.to_numpy(), columns.names, options.classes, str(source))
    else:
        texts = values.to_pylist()
        wrong = next((text for text in texts if not isinstance(text, str | None)), None)
        if wrong is not None:
            raise DataError(f"{source} has the label {wrong!r}; labels are whole numbers or class names.")
        labels, classes = from_texts(texts, options.classes, str(source))
    return Listing(str(source), labels, names, classes)


def _paths(table: Any, columns: _Columns) -> list[str | None]:
    if not columns.nested or columns.image not in table.column_names:
        return [None] * len(table)
    return [entry and entry.get("path") for entry in table[columns.image].to_pylist()]


def _images(files: Sequence[Path], columns: _Columns, taken: NDArray[np.int64]) -> Iterator[bytes]:
    """The encoded images taken, in order; nothing stands for an image that is null."""
    import pyarrow.parquet as pq

    first = 0
    for path in files:
        # Buffered, so that a group of gigabytes is not read at once.
        with pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False) as file:
            for group in range(file.num_row_groups):
                last = first + file.metadata.row_group(group).num_rows
                rows = taken[np.searchsorted(taken, first) : np.searchsorted(taken, last)] - first
                yield from _of_group(file, group, columns, rows)
                first = last


def _of_group(file: Any, group: int, columns: _Columns, rows: NDArray[np.int64]) -> Iterator[bytes]:
    if not len(rows):
        return
    column = f"{columns.image}.bytes" if columns.nested else columns.image
    first = 0
    for batch in file.iter_batches(_ROWS, row_groups=[group], columns=[column], use_threads=False):
        images = batch.column(0).field("bytes") if columns.nested else batch.column(0)
        for row in rows[np.searchsorted(rows, first) : np.searchsorted(rows, first + len(batch))]:
            yield images[int(row) - first].as_py() or b""
        first += len(batch)
        if first > rows[-1]:
            return
