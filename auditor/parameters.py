"""Hyper-parameters, written once as dataclass fields: flags, config, `explain`, reports and docs follow from them."""

from __future__ import annotations

import dataclasses
import difflib
import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from auditor.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One hyper-parameter as a person sees it."""

    name: str
    type: type
    default: Any
    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def bounds(self) -> str:
        """`"1 … 10000"`, `"a, b, c"`, or empty where nothing limits the value."""
        if self.choices:
            return ", ".join(self.choices)
        if self.low is None and self.high is None:
            return ""
        return f"{'' if self.low is None else f'{self.low:g}'} … {'' if self.high is None else f'{self.high:g}'}"


def parameter(
    default: Any,
    *,
    help: str,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A dataclass field that is a hyper-parameter: its default, one line of help, inclusive bounds or choices."""
    return dataclasses.field(default=default, metadata={"help": help, "low": low, "high": high, "choices": choices})


@cache
def parameters_of(cls: type) -> tuple[Parameter, ...]:
    """The hyper-parameters of a plugin class, in the order in which they are declared."""
    # Kept: evaluating annotations takes longer than a step of an attack on a small network.
    hints = typing.get_type_hints(cls)
    return tuple(
        Parameter(name=field.name, type=hints[field.name], default=field.default, **field.metadata)
        for field in dataclasses.fields(cls)
        if "help" in field.metadata
    )


def check_parameters(plugin: Any) -> None:
    """Hold every hyper-parameter of an instance against its type and bounds.

    Raises:
        UsageError: names the plugin, the parameter, what was expected and what was given.
    """
    kind: type = type(plugin)
    name = getattr(kind, "name", kind.__name__)
    for item in parameters_of(kind):
        value: Any = getattr(plugin, item.name)
        if value is None and item.default is None:
            continue
        if item.type is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, item.type) or (item.type is not bool and isinstance(value, bool)):
            raise UsageError(f"{name}: {item.name} is a {item.type.__name__}, not {value!r}.")
        if item.choices and value not in item.choices:
            raise UsageError(f"{name}: {item.name} is one of {', '.join(item.choices)}, not {value!r}.")
        number: Any = value
        below = item.low is not None and number < item.low
        above = item.high is not None and number > item.high
        if item.type is float and not math.isfinite(number) and number != item.default:
            raise UsageError(f"{name}: {item.name} is a finite number, not {value}.")
        if below and item.high is None:
            raise UsageError(f"{name}: {item.name} is at least {item.low:g}, not {value}.")
        if below or above:
            raise UsageError(f"{name}: {item.name}={value} lies outside {item.bounds}.")


def coerced(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Keyword arguments for a plugin class, from values that may still be text, as flags give them.

    Raises:
        UsageError: for an unknown name (with the nearest known one) or a text that is no number where one is due.
    """
    known, name = {item.name: item for item in parameters_of(cls)}, getattr(cls, "name", cls.__name__)
    for key in values:
        if key not in known:
            raise UsageError(_unknown(name, key, tuple(known)))
    texts = {key: _convert(name, known[key], value) for key, value in values.items() if isinstance(value, str)}
    return {**values, **texts}


def _unknown(name: str, key: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"{name} has no parameter {key!r}.{hint} It takes: {', '.join(known) or 'none'}."


def _convert(name: str, item: Parameter, raw: str) -> Any:
    try:
        if item.type is bool:
            return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[raw.lower()]
        return item.type(raw)
    except (KeyError, ValueError):
        kind = {int: "a whole number", float: "a number", bool: "true or false"}.get(item.type, item.type.__name__)
        raise UsageError(f"{name}: {item.name} is {kind}, and {raw!r} is none.") from None
