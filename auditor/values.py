"""Values that settings take: how a person writes them, between which bounds they lie, and what to write instead."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from auditor.errors import UsageError

_LARGEST = 2**63 - 1
_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?")


@dataclass(frozen=True)
class Amount:
    """What a setting is, in words that end with an example; its bounds, `low` open where `above`, `high` where
    `below`."""

    what: str
    low: float
    high: float = math.inf
    above: bool = False
    below: bool = False
    whole: bool = False
    share: bool = False

    def value(self, given: Any) -> float | None:
        """The number that `given`, a number or how one is written, means; None where it is none, or out of bounds."""
        value = _number(given, self.share)
        if value is None or not math.isfinite(value) or (self.whole and not float(value).is_integer()):
            return None
        low = self.low < value if self.above else self.low <= value
        high = value < self.high if self.below else value <= self.high
        return (int(value) if self.whole else float(value)) if low and high else None

    def parse(self, given: Any, flag: str) -> float:
        """The same. Raises UsageError instead, which says what is due."""
        value = self.value(given)
        if value is None:
            raise UsageError(f"{flag} is {self.what}, not {given!r}.")
        return value

    def parse_all(self, given: Any, flag: str) -> tuple[float, ...]:
        """Several of them, a list or a text with commas. Raises UsageError."""
        parts = given if isinstance(given, list | tuple) else str(given).split(",")
        values = [self.value(part) for part in parts]
        known = tuple(value for value in values if value is not None)
        if len(known) < len(values):
            raise UsageError(f"{flag} is {self.what}, not {given!r}.")
        return known


_SHARE = Amount("a share from 0 to 1, such as 0.4 or 40%", 0.0, 1.0, share=True)
_BATCH = Amount("auto or a whole number, at least 1, such as 64", 1, whole=True)
_COUNT = Amount("a whole number, at least 1, such as 100", 1, whole=True)

AMOUNTS: Mapping[str, Amount] = {
    "rotation": Amount("an angle in degrees above 0 and up to 180, such as 30", 0.0, 180.0, above=True),
    "translation": Amount("a number of pixels, 0 or more, such as 3", 0.0),
    "eot": Amount("a whole number of answers, at least 1, such as 20", 1, whole=True),
    "samples": _COUNT,
    "preflight_samples": _COUNT,
    "max_passes": _COUNT,
    "isolate_memory": Amount("a number of GiB above 0, such as 4", 0.0, above=True),
    "seed": Amount("a whole number from 0 to 2^63 - 1, such as 7", 0, _LARGEST, whole=True),
    "confidence": Amount(
        "a share above 0.5 and below 1, such as 0.95 or 95%", 0.5, 1.0, above=True, below=True, share=True
    ),
    **dict.fromkeys(
        ("min_robust_accuracy", "min_clean_accuracy", "expected_clean_accuracy", "max_drop", "tolerance"), _SHARE
    ),
}
"""By the setting's name."""


_EACH: Mapping[str, Amount] = {
    "mean": Amount("a number for each channel, such as 0.485,0.456,0.406", -math.inf),
    "std": Amount("a number above 0 for each channel, such as 0.229,0.224,0.225", 0.0, above=True),
}


def flag_of(key: str) -> str:
    """`--time-limit` for `time_limit`."""
    return f"--{key.replace('_', '-')}"


def converted(settings: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Texts such as `0.485,0.456,0.406` and `10m` among the settings as the values that they mean; and a sentence
    about each that means none.

    Raises:
        DataError: the file with the classes cannot be read.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for key, given in settings.items():
        if key not in PARSED or given is None:
            continue
        try:
            values[key] = PARSED[key](given)
        except UsageError as error:
            problems.append(str(error))
    return values, problems


def parse_range(given: Any) -> tuple[float, ...]:
    """`"0,255"` or `[0, 255]`: two numbers, the smaller one first."""
    due = Amount("two numbers, the smaller one first, such as 0,255", -math.inf)
    ends = due.parse_all(given, "--input-range")
    if len(ends) != 2 or ends[0] >= ends[1]:
        raise UsageError(f"--input-range is {due.what}, not {given!r}.")
    return ends


def parse_number(text: str, where: str) -> float:
    """`"8/255"`, `"0.03"` or `"1e-2"` as a number. Raises UsageError for anything else."""
    value = _number(text, share=False)
    if value is None:
        raise UsageError(f"{where} {text!r} is no number; write 0.03 or 8/255.")
    if not math.isfinite(value):
        raise UsageError(f"{where} {text!r} is not finite; write 0.03 or 8/255.")
    return float(value)


def parse_constant(text: str) -> tuple[str, float | str]:
    """`"state=0"` or `"mask=mask.npy"`: an input's name, and its number or file."""
    name, equals, value = (part.strip() for part in text.partition("="))
    if not (name and equals and value):
        raise UsageError(f"--constant {text!r} is no NAME=VALUE; write state=0 or mask=mask.npy.")
    try:
        return name, float(value)
    except ValueError:
        return name, value


def parse_size(given: Any) -> tuple[int, int]:
    """`"224"`, `"224,224"`, `"224x224"` or `[224, 224]` as `(H, W)`."""
    parts = given if isinstance(given, list | tuple) else re.split(r"[,x]", str(given).strip().lower())
    sizes = [Amount("", 1, whole=True).value(part) for part in parts]
    if None in sizes or not 1 <= len(sizes) <= 2:
        raise UsageError(f"--input-size {given!r} is no size; write 224,224.")
    return int(sizes[0] or 0), int(sizes[-1] or 0)


def parse_duration(given: Any, flag: str = "--time-limit") -> float:
    """`90`, `"90s"`, `"10m"`, `"1h30m"` in seconds."""
    match = _DURATION.fullmatch(str(given).strip().lower())
    hours, minutes, seconds = (float(part or 0) for part in match.groups()) if match else (0.0, 0.0, 0.0)
    total = hours * 3600 + minutes * 60 + seconds
    if not match or not 0.0 < total < math.inf:
        raise UsageError(f"{flag} {given!r} is no duration; write 90s, 10m or 1h30m.")
    return total


def _batch_size(given: Any) -> float | None:
    return None if given == "auto" else _BATCH.parse(given, "--batch-size")


def _constants(given: Any) -> Any:
    """A table, in a file, says what it means; a flag is a list of texts."""
    if isinstance(given, Mapping):
        return given
    return dict(map(parse_constant, map(str, given if isinstance(given, list | tuple) else [given])))


def _classes(given: Any) -> Any:
    if not isinstance(given, str):
        return given
    from auditor.samples.classes import class_file

    return class_file(Path(given))


def _corruptions(given: Any) -> Any:
    """Left as they are, but all of them known."""
    from auditor.corruptions import chosen

    chosen(str(given))
    return given


def _number(given: Any, share: bool) -> float | int | None:
    """None for what is no number, infinity for what no float can hold; with a per cent sign only where it is a
    `share`."""
    if isinstance(given, bool):
        return None
    text = str(given).strip()
    percent = share and text.endswith("%")
    text = text[:-1] if percent else text
    try:
        # Whole numbers keep all their digits.
        value = int(text) if text.lstrip("+-").isdecimal() else float(Fraction(text) if "/" in text else text)
        value = value / 100.0 if percent else value
        return value if math.isfinite(value) else math.inf
    except OverflowError:
        return math.inf
    except (ValueError, ZeroDivisionError):
        return None


PARSED: Mapping[str, Callable[[Any], Any]] = {
    **{key: partial(each.parse, flag=flag_of(key)) for key, each in AMOUNTS.items()},
    **{key: partial(each.parse_all, flag=flag_of(key)) for key, each in _EACH.items()},
    "batch_size": _batch_size,
    "input_range": parse_range,
    "input_size": parse_size,
    "time_limit": parse_duration,
    "isolate_time": partial(parse_duration, flag="--isolate-time"),
    "constants": _constants,
    "classes": _classes,
    "corruptions": _corruptions,
}
"""How the values of settings are read, where they are written in more ways than one."""
