"""From flags and `auditor.toml` (or `[tool.auditor]` in `pyproject.toml`) to checked settings. Flags win."""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from auditor.errors import UsageError
from auditor.settings import AttackSetting, Settings, ThreatSetting
from auditor.types import AUTO, Norm

# The budgets that the literature uses most, for images in [0, 1]; in l0 that of arXiv:2402.01879.
DEFAULT_EPS = {
    Norm.LINF: "8/255",
    Norm.L2: "0.5",
    Norm.L1: "12",
    Norm.L0: "24",
    Norm.SPATIAL: "1",
    Norm.FLOW: "1",
    Norm.PATCH: "0.05",
    Norm.CORRUPTION: "5",
}
# Flags whose name in the settings differs.
_ALIASES = {"model": "models", "provider": "providers", "constant": "constants"}
_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?")


def read_config(path: Path | None) -> dict[str, Any]:
    """The settings of a configuration file: the one named, else `auditor.toml`, else `[tool.auditor]`, else none.

    Raises:
        UsageError: the file is missing or no TOML.
    """
    if path is not None:
        content = _read_toml(path)
        return dict(content.get("tool", {}).get("auditor", {})) if path.name == "pyproject.toml" else content
    if Path("auditor.toml").is_file():
        return _read_toml(Path("auditor.toml"))
    if Path("pyproject.toml").is_file():
        return dict(_read_toml(Path("pyproject.toml")).get("tool", {}).get("auditor", {}))
    return {}


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"The configuration {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The configuration {path} is no TOML: {error}.") from error


def build_settings(flags: Mapping[str, Any], config: Mapping[str, Any]) -> Settings:
    """Settings from flags (None, False or nothing is "not said") over configuration; what is wrong, in one sentence.

    Raises:
        UsageError: an unknown key, a value of the wrong kind, or values that make no sense together.
    """
    merged = {_ALIASES.get(key, key).replace("-", "_"): value for key, value in config.items()}
    said = {_ALIASES.get(key, key): value for key, value in flags.items() if not _unsaid(value)}
    merged |= {key: str(value) if isinstance(value, Path) else value for key, value in said.items()}
    known = (set(Settings.model_fields) - {"threats", "attacks"}) | {"norm", "eps", "attack"}
    for key in merged:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f" Did you mean {near[0].replace('_', '-')!r}?" if near else ""
            raise UsageError(f"The configuration has no key {key.replace('_', '-')!r}.{hint}")
    merged["threats"] = parse_threats(_listed(merged.pop("norm", ())), _listed(merged.pop("eps", ())))
    merged["attacks"] = tuple(parse_attack(text) for text in _listed(merged.pop("attack", ())))
    merged |= _converted(merged)
    for key in ("models", "providers", "without"):
        if isinstance(merged.get(key), str):
            merged[key] = (merged[key],)
    for needed, flag in (("models", "a MODEL"), ("data", "--data")):
        if not merged.get(needed):
            raise UsageError(f"A scan needs {flag}.")
    for key in ("min_robust_accuracy", "max_drop"):
        if merged.get(key) is not None and all(math.isinf(threat.eps) for threat in merged["threats"]):
            flag = f"--{key.replace('_', '-')}"
            raise UsageError(f"{flag} needs a budget to hold the model against: add one, such as --eps 8/255.")
    try:
        return Settings(**merged)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, p['loc'])).replace('_', '-')}: {p['msg'].lower()} (given: {p['input']!r})"
            for p in error.errors()
        )
        raise UsageError(f"The settings do not hold: {problems}.") from None


def _unsaid(value: Any) -> bool:
    return value is None or value is False or (isinstance(value, (list, tuple)) and not value)


def _listed(value: Any) -> list[str]:
    return [str(v) for v in value] if isinstance(value, (list, tuple)) else [str(value)]


def _converted(merged: Mapping[str, Any]) -> dict[str, Any]:
    """Texts such as `0.485,0.456,0.406` and `10m` as the values that they mean."""
    values: dict[str, Any] = {}
    for key in ("mean", "std", "input_range"):
        if isinstance(merged.get(key), str):
            values[key] = tuple(parse_number(part, f"--{key.replace('_', '-')}") for part in merged[key].split(","))
    if 0.0 in values.get("std", ()):
        raise UsageError("--std divides the pixels, so it cannot be 0.")
    if isinstance(merged.get("input_size"), str):
        values["input_size"] = parse_size(merged["input_size"])
    if isinstance(merged.get("time_limit"), str):
        values["time_limit"] = parse_duration(merged["time_limit"])
    if isinstance(merged.get("batch_size"), str):
        text = merged["batch_size"]
        values["batch_size"] = None if text == "auto" else int(parse_number(text, "--batch-size"))
    if isinstance(merged.get("constants"), (str, list, tuple)):
        values["constants"] = dict(map(parse_constant, _listed(merged["constants"])))
    if isinstance(merged.get("classes"), str):
        from auditor.samples.classes import class_file

        values["classes"] = class_file(Path(merged["classes"]))
    for key in ("min_robust_accuracy", "min_clean_accuracy", "expected_clean_accuracy", "max_drop", "tolerance"):
        if merged.get(key) is not None:
            values[key] = _share(merged[key], key)
    for key in ("samples", "batch_size"):
        count = values.get(key, merged.get(key))
        if isinstance(count, int) and count < 1:
            raise UsageError(f"--{key.replace('_', '-')} is at least 1, not {count}.")
    return values


def _share(value: Any, key: str) -> float:
    text = str(value).strip()
    share = parse_number(text.rstrip("%"), f"--{key.replace('_', '-')}") / (100.0 if text.endswith("%") else 1.0)
    if not 0.0 <= share <= 1.0:
        raise UsageError(f"--{key.replace('_', '-')} is a share from 0 to 1, such as 0.4 or 40%, not {value}.")
    return share


def parse_number(text: str, where: str) -> float:
    """`"8/255"`, `"0.03"` or `"1e-2"` as a number. Raises UsageError for anything else."""
    try:
        value = float(Fraction(text.strip())) if "/" in text else float(text)
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"{where} {text!r} is no number; write 0.03 or 8/255.") from None
    if not math.isfinite(value):
        raise UsageError(f"{where} {text!r} is not finite.")
    return value


def parse_constant(text: str) -> tuple[str, float | str]:
    """`"state=0"` or `"mask=mask.npy"`: an input's name, and its number or file."""
    name, equals, value = (part.strip() for part in text.partition("="))
    if not (name and equals and value):
        raise UsageError(f"--constant {text!r} is no NAME=VALUE; write state=0 or mask=mask.npy.")
    try:
        return name, float(value)
    except ValueError:
        return name, value


def parse_size(text: str) -> tuple[int, int]:
    """`"224"`, `"224,224"` or `"224x224"` as `(H, W)`."""
    parts = re.split(r"[,x]", text.strip().lower())
    if not all(part.strip().isdigit() and int(part) > 0 for part in parts) or len(parts) > 2:
        raise UsageError(f"--input-size {text!r} is no size; write 224,224.")
    return int(parts[0]), int(parts[-1])


def parse_duration(text: str) -> float:
    """`"90"`, `"90s"`, `"10m"`, `"1h30m"` in seconds."""
    match = _DURATION.fullmatch(text.strip().lower())
    hours, minutes, seconds = (float(part or 0) for part in match.groups()) if match else (0.0, 0.0, 0.0)
    total = hours * 3600 + minutes * 60 + seconds
    if not match or total <= 0:
        raise UsageError(f"--time-limit {text!r} is no duration; write 90s, 10m or 1h30m.")
    return total


def parse_attack(text: str) -> AttackSetting:
    """`"pgd:steps=100,restarts=2"` as an attack with parameters; their types are checked when it is set up.

    A name may hold colons of its own, as in `"foolbox:LinfPGD:steps=20"`: parameters begin where an `=` follows.
    """
    colon = text.rfind(":", 0, text.find("=")) if "=" in text else len(text)
    name, rest = (text[:colon], text[colon + 1 :]) if colon >= 0 else (text, "")
    name = name.rstrip(":")
    parameters: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals:
            raise UsageError(f"--attack {text!r}: {part!r} is no key=value.")
        parameters[key.strip().replace("-", "_")] = value.strip()
    return AttackSetting(name=name.strip(), parameters=parameters)


def parse_threats(norms: Sequence[str], eps: Sequence[str]) -> tuple[ThreatSetting, ...]:
    """Every norm with every budget; a budget written `l2:0.5` belongs to that norm alone.

    Raises:
        UsageError: an unknown norm, or a budget that cannot be meant.
    """
    chosen = [_norm(name) for name in norms]
    general = [text for text in eps if ":" not in text]
    special = [(_norm(name), text) for name, text in (e.split(":", 1) for e in eps if ":" in e)]
    if not chosen:
        chosen = list(dict.fromkeys(norm for norm, _ in special)) or [Norm.LINF]
    threats = []
    for norm in dict.fromkeys(chosen):
        own = [text for other, text in special if other is norm] or general
        if not own:
            if norm not in DEFAULT_EPS:
                raise UsageError(f"The norm {norm} has no usual budget; say --eps {norm}:VALUE.")
            own = [DEFAULT_EPS[norm]]
        values = dict.fromkeys(parse_eps(text, norm) for text in own)
        threats += [ThreatSetting(norm=norm, eps=value) for value in values]
    if stray := [norm for norm, _ in special if norm not in chosen]:
        raise UsageError(f"--eps names {stray[0]}, and --norm does not.")
    return tuple(threats)


def _norm(name: str) -> Norm:
    try:
        return Norm(name.strip().lower())
    except ValueError:
        raise UsageError(f"There is no norm {name!r}; choose from {', '.join(Norm)}.") from None


def parse_eps(text: str, norm: Norm) -> float:
    """A budget in units of `[0, 1]` pixels, in l0 a number of entries, of corruptions a severity, checked for the
    mistakes made with it; infinite for `auto`.

    Raises:
        UsageError: zero, negative, no whole number in l0, or so large in linf that the attacker may paint the whole
            picture.
    """
    if text.strip().lower() == AUTO:
        return math.inf
    value = parse_number(text, "--eps")
    if value <= 0:
        raise UsageError(f"--eps {text} leaves the attacker nothing to change; a budget is above 0, such as 8/255.")
    if norm is Norm.L0 and not value.is_integer():
        raise UsageError(
            f"--eps {text} in l0 is the number of entries that may change (a colour pixel has three), a whole number."
        )
    if norm is Norm.SPATIAL and value > 1.0:
        raise UsageError(
            f"--eps {text} in spatial is a share of the limits, at most 1; say the limits with --rotation and "
            f"--translation."
        )
    if norm is Norm.CORRUPTION and value not in (1, 2, 3, 4, 5):
        raise UsageError(f"--eps {text} in corruption is the severest corruption that may occur: 1, 2, 3, 4 or 5.")
    if norm is Norm.LINF and value > 0.5:
        meant = f" Did you mean {text}/255?" if 1 <= value <= 255 and value == int(value) else ""
        raise UsageError(
            f"--eps {text} in linf is more than half of the pixel range 0 to 1, so any picture can become gray.{meant}"
        )
    return value
