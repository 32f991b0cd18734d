"""What a model file, or a small file beside it, says about preprocessing and classes.

Read, in this order, where the user gave no flag: `MODEL.auditor.json` beside the file, with the keys `mean`, `std`,
`input_range`, `layout`, `input_size`, `channel_order` and `classes`; the same keys with the prefix `auditor.` in the
file's own metadata; the keys that Windows ML (`Image.…`) and Ultralytics (`names`) write there.
"""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from auditor.errors import ModelError
from auditor.target.base import ModelOptions

_RANGES = {
    "NominalRange_0_255": (0.0, 255.0),
    "Normalized_0_1": (0.0, 1.0),
    "Normalized_1_1": (-1.0, 1.0),
}


def fill(options: ModelOptions, path: Path, metadata: Mapping[str, str]) -> ModelOptions:
    """`options`, completed by what the file at `path` and its `metadata` say.

    Raises:
        ModelError: a value there makes no sense.
    """
    said = {**_foreign(metadata), **_own(metadata), **_sidecar(path)}
    defaults = {field.name: field.default for field in fields(ModelOptions)}
    unsaid = {key: value for key, value in said.items() if getattr(options, key) == defaults[key]}
    return replace(options, **unsaid)


def _own(metadata: Mapping[str, str]) -> dict[str, Any]:
    said = {}
    for key, text in metadata.items():
        name = key.removeprefix("auditor.")
        if name != key and name in _READ:
            said[name] = _value(f"the metadata {key!r}", name, _parsed(text))
    return said


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text  # a bare word, such as nhwc


def _sidecar(path: Path) -> dict[str, Any]:
    file = path.with_name(f"{path.stem}.auditor.json")
    if not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{file} is no readable JSON: {error}.") from error
    if not isinstance(content, dict) or not content.keys() <= _READ.keys():
        raise ModelError(f"{file} must be a JSON object with keys among {', '.join(_READ)}.")
    return {key: _value(str(file), key, value) for key, value in content.items()}


def _foreign(metadata: Mapping[str, str]) -> dict[str, Any]:
    """What others write; ignored where it does not make sense, since it was not written for us."""
    said: dict[str, Any] = {}
    if metadata.get("Image.BitmapPixelFormat", "").startswith("Bgr"):
        said["channel_order"] = "bgr"
    if metadata.get("Image.NominalPixelRange") in _RANGES:
        said["input_range"] = _RANGES[metadata["Image.NominalPixelRange"]]
    try:
        names = ast.literal_eval(metadata.get("names", ""))
        by_number = names if isinstance(names, dict) else dict(enumerate(names))
        said["classes"] = tuple(str(by_number[i]) for i in range(len(by_number)))
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError):
        pass
    return said


def _value(where: str, name: str, value: Any) -> Any:
    try:
        return _READ[name](value)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{where} has no valid {name}: {str(value)[:80]!r}.") from error


def _numbers(value: Any) -> tuple[float, ...]:
    numbers = tuple(float(v) for v in (value if isinstance(value, list) else [value]))
    if not numbers or not all(map(math.isfinite, numbers)):
        raise ValueError
    return numbers


def _positive(value: Any) -> tuple[float, ...]:
    if min(_numbers(value)) <= 0:
        raise ValueError
    return _numbers(value)


def _range(value: Any) -> tuple[float, float]:
    low, high = _numbers(value)
    if low >= high:
        raise ValueError
    return low, high


def _size(value: Any) -> tuple[int, int]:
    height, width = (int(v) for v in value)
    if min(height, width) < 1:
        raise ValueError
    return height, width


def _one_of(*allowed: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in allowed:
            raise ValueError
        return str(value)

    return read


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError
    return tuple(map(str, value))


_READ: dict[str, Callable[[Any], Any]] = {
    "mean": _numbers,
    "std": _positive,
    "input_range": _range,
    "layout": _one_of("auto", "nchw", "nhwc", "flat"),
    "input_size": _size,
    "channel_order": _one_of("rgb", "bgr"),
    "classes": _names,
}
