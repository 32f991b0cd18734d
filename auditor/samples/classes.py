"""Class names: from a file, and from the names that data uses to the numbers that a model uses."""

from __future__ import annotations

import ast
import difflib
import json
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from auditor.errors import DataError

_WHOLE = re.compile(r"[0-9]{1,9}(?:\.0*)?")  # "3.0" is what pandas makes of 3 in a column with gaps


def class_file(path: str | Path) -> tuple[str, ...]:
    """The class names of a file, in the order of the model's outputs.

    One name a line (UTF-8; blank lines and lines that start with `#` are ignored), or a JSON list, or a JSON or
    Python dictionary of index to name. Where a name is itself a list, as in ImageNet's `imagenet_class_index.json`
    (`["n01440764", "tench"]`), its first entry counts: that is what folders are called, and it is unique.

    Raises DataError for a file that is missing, not text, without names, or with gaps in its indices.
    """
    path = Path(path).expanduser()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"The class file {path} is not UTF-8 text; write one class name per line.") from error
    except OSError as error:
        raise DataError(f"The class file {path} cannot be read ({error.strerror}).") from error
    structured = text.lstrip()[:1] in ("[", "{")
    lines = (line.strip() for line in text.splitlines())
    names = _from_value(_parse(text, path), path) if structured else [n for n in lines if n and not n.startswith("#")]
    if not names:
        raise DataError(f"The class file {path} names no class; write one class name per line.")
    return tuple(unicodedata.normalize("NFC", name) for name in names)


def _parse(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text.strip())  # constants only: nothing in the file is run
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise DataError(
            f"The class file {path} begins like JSON and is not; write a list of names, or one name per line."
        ) from error


def _from_value(value: Any, path: Path) -> list[str]:
    if isinstance(value, dict):
        try:
            by_index = {int(index): name for index, name in value.items()}
        except (TypeError, ValueError) as error:
            raise DataError(f"The keys of the class file {path} must be the numbers of the model's outputs.") from error
        if len(by_index) != len(value) or sorted(by_index) != list(range(len(by_index))):
            raise DataError(f"The class file {path} must number its classes from 0 on without gaps.")
        value = [by_index[index] for index in range(len(by_index))]
    names = [entry[0] if isinstance(entry, (list, tuple)) and entry else entry for entry in value]
    wrong = next((name for name in names if not isinstance(name, str) or not name.strip()), None)
    if wrong is not None:
        raise DataError(f"The class file {path} must hold names, but holds {wrong!r}.")
    return [name.strip() for name in names]


def whole_number(text: str) -> int | None:
    """The number that a label written as text is, or None where it is a name."""
    return int(text.split(".")[0]) if _WHOLE.fullmatch(text) else None


def numbering(
    names: Iterable[str], classes: tuple[str, ...] | None, source: str
) -> tuple[dict[str, int], tuple[str, ...] | None]:
    """The label of each name, and the class names by label.

    With `classes` (the model's order) a name is its position there. Names that are all whole numbers are labels by
    value, never by rank, for "10" sorts before "2". Otherwise names count in sorted order.

    Raises DataError for a name that is not among `classes`, or stands there twice.
    """
    unique = sorted(set(names))
    values = {name: whole_number(name) for name in unique}
    numbers = {name: value for name, value in values.items() if value is not None}
    by_value = len(numbers) == len(unique)
    if classes is None:
        return (numbers, None) if by_value else ({name: rank for rank, name in enumerate(unique)}, tuple(unique))
    order = [unicodedata.normalize("NFC", name) for name in classes]
    positions = {name: rank for rank, name in enumerate(order)}
    normal = {name: unicodedata.normalize("NFC", name) for name in unique}
    strangers = [name for name in unique if normal[name] not in positions]
    if strangers and by_value:
        return numbers, classes
    if strangers:
        raise DataError(
            f"{source} has the class {strangers[0]!r}, which is not among the {len(classes)} class names given"
            f"{_nearest(strangers[0], order)}; rename it, or correct the class names."
        )
    for name in unique:
        if order.count(normal[name]) > 1:
            raise DataError(f"The class names hold {name!r} twice, so its label is unclear; make the names unique.")
    return {name: positions[normal[name]] for name in unique}, classes


def _nearest(name: str, names: list[str]) -> str:
    folded = {other.casefold(): other for other in reversed(names)}
    close = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.0)
    return f" (the nearest is {folded[close[0]]!r})" if close else ""
