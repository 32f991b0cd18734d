"""Where settings are said: a file, one of its named audits, the environment; what each says, and which wins.

From weak to strong: the file, `[audits.NAME]` in it, `AUDITOR_KEY` in the environment; flags win over all of them.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from auditor.errors import UsageError
from auditor.settings import Settings
from auditor.values import PARSED

PREFIX = "AUDITOR_"

OUTPUTS = ("format", "out", "quiet", "track")
"""Keys that say where a result goes, and no part of what it is."""

ALIASES = {
    "model": "models",
    "provider": "providers",
    "constant": "constants",
    "surrogate": "surrogates",
    "transfer_attack": "transfer_attacks",
}
"""Flags whose name in the settings differs."""

_WRITTEN = ("norm", "eps", "attack", "wrapper")
"""Keys that a person writes, and that become the settings `threats`, `attacks` and `wrappers`."""

# In these no item holds a comma or a space, so either parts two.
_WORDS = frozenset({"norm", "eps", "without", "isolate", "providers", "track"})
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_OTHERS = frozenset({"AUDITOR_PLUGINS", "AUDITOR_NO_PLUGINS", "AUDITOR_AUDIT"})


@dataclass(frozen=True)
class Said:
    """What a place says of a setting."""

    value: Any
    origin: str


def known_keys() -> frozenset[str]:
    """All that a file or the environment may say, with underscores."""
    return frozenset(set(Settings.model_fields) - {"threats", "attacks", "wrappers"} | {*_WRITTEN, *OUTPUTS})


def normal(key: str) -> str:
    """`min_robust_accuracy` for `min-robust-accuracy`, `models` for `model`."""
    return ALIASES.get(key, key).replace("-", "_")


def unknown_key(key: str, where: str) -> UsageError:
    """What to say of a key that there is not."""
    near = difflib.get_close_matches(normal(key), [*known_keys(), "audits"], n=1)
    hint = f" Did you mean {near[0].replace('_', '-')!r}?" if near else ""
    return UsageError(f"{where} has no key {key.replace('_', '-')!r}.{hint}")


@dataclass(frozen=True)
class ConfigFile:
    """What a settings file says, in general and in each of its named audits; keys with underscores."""

    name: str = ""
    general: Mapping[str, Any] = field(default_factory=dict)
    audits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path | None) -> ConfigFile:
        """The file named, else `auditor.toml`, else `[tool.auditor]` of `pyproject.toml`, else an empty one.

        Raises:
            UsageError: the file is missing or no TOML, or says a key that there is not.
        """
        if path is None:
            path = next((p for p in map(Path, ("auditor.toml", "pyproject.toml")) if p.is_file()), None)
        if path is None:
            return cls()
        content, name = _read_toml(path), str(path)
        if path.name == "pyproject.toml":
            content, name = content.get("tool", {}).get("auditor", {}), f"{path} [tool.auditor]"
        audits = content.pop("audits", {})
        if not isinstance(audits, dict) or not all(isinstance(audit, dict) for audit in audits.values()):
            raise UsageError(f"{name}: audits are tables, written as [audits.NAME].")
        named = {key: _checked(audit, f"{name} [audits.{key}]") for key, audit in audits.items()}
        if odd := [key for key in named if not re.fullmatch(r"[\w.-]+", key) or key.startswith(".")]:
            raise UsageError(f"{name}: {odd[0]!r} is no name for an audit; letters, digits, - and _ make one.")
        return cls(name, _checked(content, name), named)

    def chosen(self, audits: Sequence[str], *, models: bool) -> tuple[str, ...]:
        """Names of the audits to make, an empty name for the one that the file says in general.

        All where none is asked for; but a command that names `models` of its own means the general one.

        Raises:
            UsageError: an audit that the file does not hold.
        """
        for name in audits:
            if name not in self.audits:
                there = f"it holds {', '.join(self.audits)}" if self.audits else "it holds none"
                raise UsageError(f"There is no audit {name!r} in {self.name or 'a settings file'}; {there}.")
        if audits:
            return tuple(dict.fromkeys(audits))
        return ("",) if models or not self.audits else tuple(self.audits)

    def said(self, audit: str = "", environ: Mapping[str, str] = os.environ) -> dict[str, Said]:
        """What holds for one audit before flags, by key, and who says so.

        Raises:
            UsageError: a variable of the environment is all but a key, or no value of its kind.
        """
        told = {key: Said(value, self.name) for key, value in self.general.items()}
        own = self.audits.get(audit, {})
        return (
            told | {key: Said(value, f"{self.name} [audits.{audit}]") for key, value in own.items()} | _environ(environ)
        )


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"The configuration {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The configuration {path} is no TOML: {error}.") from error


def _checked(table: Mapping[str, Any], where: str) -> dict[str, Any]:
    for key in table:
        if normal(key) not in known_keys():
            raise unknown_key(key, where)
    return {normal(key): value for key, value in table.items()}


def _environ(environ: Mapping[str, str]) -> dict[str, Said]:
    """The variables that say a setting. An empty one says nothing; one that is all but a key is a slip, and told."""
    told: dict[str, Said] = {}
    for name, text in sorted(environ.items()):
        if not name.startswith(PREFIX) or name in _OTHERS or not text.strip():
            continue
        key = normal(name.removeprefix(PREFIX).lower())
        if key in known_keys():
            told[key] = Said(_value(key, text.strip(), name), name)
        elif difflib.get_close_matches(key, known_keys(), n=1):
            raise unknown_key(key, f"The environment sets {name}, and a scan")
    return told


def _value(key: str, text: str, name: str) -> Any:
    """A text as the value that a file would hold."""
    if key in _WORDS:
        return [part for part in re.split(r"[\s,]+", text) if part]
    kind = Settings.model_fields[key].annotation if key in Settings.model_fields else str
    if kind is bool or key == "quiet":
        if text.lower() not in (*_TRUE, *_FALSE):
            raise UsageError(f"{name} is true or false, not {text!r}.")
        return text.lower() in _TRUE
    listed = key in ("attack", "wrapper", "constants") or (_is_list(kind) and key not in PARSED)
    return [line.strip() for line in text.splitlines() if line.strip()] if listed else text


def _is_list(kind: Any) -> bool:
    if get_origin(kind) in (Union, UnionType):
        return any(map(_is_list, get_args(kind)))
    return get_origin(kind) is tuple
