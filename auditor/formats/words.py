"""How numbers and names are written for people, in every format alike."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from auditor.types import AUTO

NOT_EVALUATED = "not evaluated"

_LEVELS = 255
_NEAR_A_LEVEL = 1e-4
_NEAR = 1e-7
# Control characters, line and paragraph separators, and the characters that switch the direction of writing.
_DRIVING = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def percent(share: float, digits: int = 1) -> str:
    """`0.4213` as `42.1%`. Only all is `100.0%` and only none is `0.0%`: rounding never flatters a model."""
    text = f"{share:.{digits}%}"
    least = f"{10.0 ** -(digits + 2):.{digits}%}"
    if text == f"{1:.{digits}%}" and share < 1.0:
        return f">{1.0 - 10.0 ** -(digits + 2):.{digits}%}"
    if text == f"{0:.{digits}%}" and share > 0.0:
        return f"<{least}"
    return text


def interval(bounds: tuple[float, float] | None) -> str:
    """`38.0–46.5%`, or nothing."""
    return "" if bounds is None else f"{100 * bounds[0]:.1f}–{100 * bounds[1]:.1f}%"


def points(share: float) -> str:
    """A difference between two shares: `12.4 points`."""
    return f"{100 * share:.1f} points"


def at_most(share: float) -> str:
    """A difference that is not exceeded, rounded up: `at most 0.2 points`."""
    return f"at most {points(math.ceil(1000 * share - _NEAR) / 1000)}"


def budget(norm: str, eps: float) -> str:
    """With its unit where it has one: `12` in l0, `5%` for a patch, `1 px` for a flow; else four digits.

    `8/255` where a linf budget is a number of 8-bit levels and no round decimal.
    """
    if math.isinf(eps):
        return AUTO
    levels = round(eps * _LEVELS)
    round_decimal = abs(float(f"{eps:.2g}") - eps) < _NEAR * eps
    if norm == "linf" and levels >= 1 and not round_decimal and abs(eps * _LEVELS - levels) < _NEAR_A_LEVEL:
        return f"{levels}/{_LEVELS}"
    match norm:
        case "l0":
            return f"{eps:.1f}".removesuffix(".0")
        case "patch":
            return f"{100 * eps:.3g}%"
        case "flow":
            return f"{eps:.3g} px"
    return f"{eps:.4g}"


def threat(norm: str, eps: float, settings: Mapping[str, Any] | None = None) -> str:
    """`linf 8/255`; `smallest linf` without a budget; with the run's `settings`, `spatial 1 (30°, 3 px)`."""
    if math.isinf(eps):
        return f"smallest {norm}"
    limits = spatial_limits(settings, eps) if norm == "spatial" and settings else ""
    return f"{norm} {budget(norm, eps)}{f' ({limits})' if limits else ''}"


def spatial_limits(settings: Mapping[str, Any], share: float) -> str:
    """`30°, 3 px`: what a share of the run's limits allows; empty where the record does not hold them."""
    known = [settings.get(key) for key in ("rotation", "translation")]
    if not all(isinstance(limit, int | float) for limit in known):
        return ""
    degrees, pixels = (f"{float(limit or 0.0) * share:.3g}" for limit in known)
    return f"{degrees}°, {pixels} px"


_AXES = {
    "l0": "l0 budget (entries that may change)",
    "spatial": "spatial budget (share of the limits)",
    "flow": "flow budget (pixels)",
    "patch": "patch budget (share of the picture)",
    "corruption": "corruption budget (severity)",
}


def axis(norm: str, settings: Mapping[str, Any] | None = None) -> str:
    """What the axis of budgets says: `l2 budget`, `flow budget (pixels)`, `spatial budget (share of 30°, 3 px)`."""
    limits = spatial_limits(settings, 1.0) if norm == "spatial" and settings else ""
    return f"spatial budget (share of {limits})" if limits else _AXES.get(norm, f"{norm} budget")


def count(number: int, noun: str = "") -> str:
    """`1,234`, or `1,234 samples`, `1 pass`, `2 passes` with a noun in the singular."""
    if not noun:
        return f"{number:,}"
    ending = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{ending}"


def seconds(value: float) -> str:
    """`0.8 s`, `42 s`, `3 min 20 s`, `1 h 12 min`."""
    if value < 9.95:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def short(text: str, most: int = 28) -> str:
    """`text`, with its middle left out where it is longer than `most` characters."""
    if len(text) <= most:
        return text
    head = (most - 1) * 2 // 3
    return f"{text[:head]}…{text[len(text) - (most - 1 - head) :]}"


def printable(text: str) -> str:
    """`text` without what drives a terminal or reorders a line: control and direction characters become escapes."""
    return _DRIVING.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def headline(verdict: str, gated: bool) -> str:
    """What stands in large letters: the verdict, but `measured` where nothing was required of the model."""
    return "measured" if verdict == "pass" and not gated else verdict


def class_name(label: int | None, names: tuple[str, ...] | None) -> str:
    """The name of a class, or its number where it has none."""
    if label is None:
        return ""
    return names[label] if names is not None and 0 <= label < len(names) else str(label)
