"""From flags, and what the file and the environment say, to checked settings. Flags win."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import ValidationError

from auditor.errors import UsageError
from auditor.settings import AttackSetting, Settings, SurrogateSetting, ThreatSetting
from auditor.sources import OUTPUTS, known_keys, normal, unknown_key
from auditor.types import AUTO, Norm
from auditor.values import PARSED, converted, flag_of, parse_number

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

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
# Flags that say what one threat may do.
_OWNERS = {"rotation": Norm.SPATIAL, "translation": Norm.SPATIAL, "corruptions": Norm.CORRUPTION}
# What values are due, by how the errors about others begin.
_KINDS = {"string": "is a text", "bool": "is true or false", "tuple": "is a list", "dict": "is a table"}


def build_settings(flags: Mapping[str, Any], config: Mapping[str, Any]) -> Settings:
    """Settings from flags (None, nothing, or a switch as it is by default is "not said") over configuration; what is
    wrong, in one sentence.

    Raises:
        UsageError: an unknown key, a value of the wrong kind, or values that make no sense together.
    """
    merged = {normal(key): value for key, value in config.items()}
    said = {normal(key): value for key, value in flags.items() if not _unsaid(key, value)}
    merged |= {key: str(value) if isinstance(value, Path) else value for key, value in said.items()}
    for key in merged:
        if key not in known_keys() or key in OUTPUTS:
            raise unknown_key(key, "The configuration")
    merged["threats"] = parse_threats(_listed(merged.pop("norm", ())), _listed(merged.pop("eps", ())))
    merged["attacks"] = parse_attacks(_listed(merged.pop("attack", ())))
    # Twice the same wrapper is one that samples pass twice.
    merged["wrappers"] = tuple(parse_attack(text, "--wrapper") for text in _listed(merged.pop("wrapper", ())))
    merged["transfer_attacks"] = parse_attacks(_listed(merged.pop("transfer_attacks", ())), "--transfer-attack")
    merged["surrogates"] = parse_surrogates(_listed(merged.pop("surrogates", ())))
    if isinstance(merged.get("hardened_with"), str):
        merged["hardened_with"] = parse_attack(merged["hardened_with"], "--hardened-with")
    values, problems = converted(merged)
    merged = {key: value for key, value in merged.items() if not problems or key not in PARSED} | values
    for key in ("models", "providers", "without", "isolate"):
        if isinstance(merged.get(key), str):
            merged[key] = (merged[key],)
    for needed, flag in (("models", "a MODEL"), ("data", "--data")):
        if merged.get(needed) in (None, "", (), [], ("",), [""]):
            raise UsageError(f"A scan needs {flag}.")
    for key in ("min_robust_accuracy", "max_drop"):
        if merged.get(key) is not None and all(math.isinf(threat.eps) for threat in merged["threats"]):
            raise UsageError(f"{flag_of(key)} needs a budget to hold the model against: add one, such as --eps 8/255.")
    try:
        settings = Settings(**merged)
    except ValidationError as error:
        problems += [_sentence(problem) for problem in error.errors()]
    if problems:
        raise UsageError(" ".join(problems))
    _check_meant(said, settings.threats)
    _check_sequential(settings)
    return settings


def _sentence(problem: ErrorDetails) -> str:
    """What is wrong with a setting that does not hold, and what to write instead."""
    key = str(problem["loc"][0])
    due = _KINDS.get(problem["type"].partition("_")[0], "takes no such value")
    if problem["type"] == "literal_error":
        due = f"is one of {', '.join(get_args(Settings.model_fields[key].annotation))}"
    return f"{flag_of(key)} {due}, not {problem['input']!r}."


def _check_sequential(settings: Settings) -> None:
    if settings.sequential and settings.min_robust_accuracy is None:
        raise UsageError("--sequential stops when a gate is certain: set one with --min-robust-accuracy.")
    if settings.sequential and settings.max_drop is not None:
        raise UsageError(
            "--max-drop compares runs sample by sample, and --sequential stops before all samples are seen. Leave "
            "--sequential out, with --samples for a shorter run; or leave --max-drop out, and say with "
            "--min-robust-accuracy how much has to be left."
        )


def _check_meant(said: Mapping[str, Any], threats: Sequence[ThreatSetting]) -> None:
    """Flags that bound a threat go with it. In a file they may wait for a scan that has it."""
    for key, norm in _OWNERS.items():
        if key in said and norm not in {threat.norm for threat in threats}:
            raise UsageError(f"{flag_of(key)} bounds {norm} alone, which is not asked for: add --norm {norm}.")


def _unsaid(key: str, value: Any) -> bool:
    """Whether a flag was not given: a switch that is off says something only where it is on by default."""
    if value is False:
        field = Settings.model_fields.get(key)
        return field is None or field.get_default() is not True
    return value is None or (isinstance(value, (list, tuple)) and not value)


def _listed(value: Any) -> list[str]:
    return [str(v) for v in value] if isinstance(value, (list, tuple)) else [str(value)]


def parse_attacks(texts: Sequence[str], flag: str = "--attack") -> tuple[AttackSetting, ...]:
    """Every attack once. Raises UsageError."""
    attacks: list[AttackSetting] = []
    for text in texts:
        attack = parse_attack(text, flag)
        if attack in attacks:
            raise UsageError(f"{flag} {text!r} is asked for twice; name it once, or with other parameters.")
        attacks.append(attack)
    return tuple(attacks)


def parse_attack(text: str, flag: str = "--attack") -> AttackSetting:
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
            raise UsageError(f"{flag} {text!r}: {part!r} is no key=value.")
        key = key.strip().replace("-", "_")
        if key in parameters:
            raise UsageError(f"{flag} {text!r} gives {key} twice; give it once.")
        parameters[key] = value.strip()
    return AttackSetting(name=name.strip(), parameters=parameters)


def parse_surrogates(texts: Sequence[str]) -> tuple[SurrogateSetting, ...]:
    """`"other.onnx:mean=0.485,0.456,0.406,layout=nhwc"` as a source with options; a value ends where `,KEY=` follows.

    Raises:
        UsageError: one is named twice.
    """
    found: list[SurrogateSetting] = []
    for text in texts:
        colon = text.rfind(":", 0, text.find("=")) if "=" in text else -1
        source, rest = (text[:colon], text[colon + 1 :]) if colon >= 0 else (text, "")
        pairs = [part.partition("=") for part in re.split(r",(?=[\w-]+=)", rest) if part]
        options = {key.strip().replace("-", "_"): value.strip() for key, _, value in pairs}
        surrogate = SurrogateSetting(source=source.strip(), options=options)
        if surrogate in found or len(options) < len(pairs):
            raise UsageError(f"--surrogate {text!r} says something twice; say it once.")
        found.append(surrogate)
    return tuple(found)


def parse_threats(norms: Sequence[str], eps: Sequence[str]) -> tuple[ThreatSetting, ...]:
    """Every norm with every budget; a budget written `l2:0.5` belongs to that norm alone.

    Raises:
        UsageError: an unknown norm, or a budget that cannot be meant.
    """
    norms, eps = _parted(norms), _parted(eps)
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


def _parted(texts: Sequence[str]) -> list[str]:
    """`--eps 0.1,0.2` is `--eps 0.1 --eps 0.2`."""
    return [part.strip() for text in texts for part in str(text).split(",")]


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
