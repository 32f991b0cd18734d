"""Which reader a source belongs to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from auditor.errors import DataError, UsageError

if TYPE_CHECKING:
    from auditor.samples.base import SampleOptions, Samples

_READERS = {".npz": "npz", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".pq": "parquet"}


def open_samples(source: str, options: SampleOptions) -> Samples | None:
    """The samples that `source` names, or None where it is nothing that is read here.

    Raises DataError with a sentence where it is, and cannot be read; UsageError for options that make no sense.
    """
    _check(options)
    if source.startswith("torchvision:"):
        from auditor.samples.on_disk import open_on_disk

        return open_on_disk(source, options)
    path = Path(source).expanduser()
    try:
        return _open_path(path, source, options)
    except PermissionError as error:
        raise DataError(f"{error.filename or path} may not be read; check its permissions.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}).") from error


def _open_path(path: Path, source: str, options: SampleOptions) -> Samples | None:
    reader = _READERS.get(path.suffix.lower())
    if options.root is not None and reader != "csv":
        raise UsageError(f"--root is where the paths in a CSV start from, and {source} is none; leave it out.")
    if path.is_dir():
        from auditor.samples.parquet import open_parquet, shards

        found = shards(path, options.split)
        if found:
            return open_parquet(path, found, options)
        from auditor.samples.folder import open_folder

        return open_folder(path, options)
    if not path.exists():
        # Any other name may still mean something to another plugin.
        if reader or source.endswith(("/", os.sep)) or (os.sep in source and path.parent.is_dir()):
            raise DataError(f"There is no data at {path}; check the path.")
        return None
    if reader is None:
        _refuse_image(path)
        return None
    if not path.is_file():
        raise DataError(f"{path} is neither a file nor a folder; give one of these.")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty; write or download it again.")
    if reader == "npz":
        from auditor.samples.npz import open_npz

        return open_npz(path, options)
    if reader == "csv":
        from auditor.samples.table import open_table

        return open_table(path, options)
    from auditor.samples.parquet import open_parquet

    return open_parquet(path, [path], options)


def _refuse_image(path: Path) -> None:
    from auditor.samples.folder import EXTENSIONS

    if path.suffix.lower() in EXTENSIONS:
        raise DataError(
            f"{path} is one image without a label; put it into a folder named like its class and give the folder above."
        )


def _check(options: SampleOptions) -> None:
    if options.limit is not None and options.limit < 1:
        raise UsageError(f"At least one sample is needed, but --samples asks for {options.limit}.")
    if options.channels not in (None, 1, 3):
        raise UsageError(f"Images have 1 or 3 channels, not {options.channels}.")
    if options.size is not None and min(options.size) < 1:
        raise UsageError(f"--input-size takes a height and a width above 0, not {options.size[0]},{options.size[1]}.")
