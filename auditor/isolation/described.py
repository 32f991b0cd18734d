"""What a plugin offers, as plain fields: enough to stand in for it without its code."""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import TYPE_CHECKING, Any

from auditor.defense import Wrapper
from auditor.parameters import Parameter, parameters_of
from auditor.types import Goal, Norm, Threat

if TYPE_CHECKING:
    from auditor.attack import Attack
    from auditor.check import Check
    from auditor.plugins import Plugins


WORDS = ("name", "paper", "random", "differentiable", "images_only", "draws", "certifies")
"""What a wrapper's class says of itself."""
LOADS = ("auditor_load_model", "auditor_load_samples")


def described(plugins: Plugins) -> dict[str, Any]:
    """What these plugins offer that can be isolated, what else there is, and what broke."""
    carried = {
        "auditor_attacks",
        "auditor_find_attack",
        "auditor_checks",
        "auditor_formats",
        "auditor_defenses",
        *LOADS,
    }
    defenses = plugins.defenses().values()
    hooks = {hook for plugin in plugins.loaded for hook in plugin.hooks}
    return {
        "attacks": [describe_attack(kind) for kind in plugins.attacks().values()],
        "checks": [_check(kind) for kind in plugins.checks().values()],
        "formats": [
            {"name": form.name, "filename": form.filename, "help": form.help, "doc": type(form).__doc__}
            for form in plugins.formats().values()
        ],
        "wrappers": [_wrapper(kind) for kind in defenses if issubclass(kind, Wrapper)],
        "recipes": sorted(kind.name for kind in defenses if not issubclass(kind, Wrapper)),
        "loads": sorted(hooks.intersection(LOADS)),
        "finds": "auditor_find_attack" in hooks,
        "left": sorted(hooks - carried),
        "failures": [(failure.stage, failure.error) for failure in plugins.failures],
    }


def describe_attack(kind: type[Attack]) -> dict[str, Any]:
    """An attack class as plain fields."""
    from auditor.lanes import LaneAttack
    from auditor.universal import UniversalAttack

    return {
        "name": kind.name,
        "paper": kind.paper,
        "norms": sorted(kind.norms),
        "access": kind.access,
        "stage": kind.stage,
        "minimal": bool(kind.minimal),
        "images_only": bool(kind.images_only),
        "doc": kind.__doc__,
        "module": kind.__module__,
        "lanes": issubclass(kind, LaneAttack),
        "universal": issubclass(kind, UniversalAttack),
        "parameters": [_parameter(item) for item in parameters_of(kind)],
    }


def _check(kind: type[Check]) -> dict[str, Any]:
    return {
        "code": kind.code,
        "title": kind.title,
        "stage": kind.stage,
        "norms": sorted(kind.norms),
        "once": bool(kind.once),
        "settles": sorted(kind.settles),
        "doc": kind.__doc__,
        "module": kind.__module__,
    }


def _wrapper(kind: type[Wrapper]) -> dict[str, Any]:
    words = {name: getattr(kind, name) for name in WORDS}
    parameters = [_parameter(item) for item in parameters_of(kind)]
    return {**words, "doc": kind.__doc__, "module": kind.__module__, "parameters": parameters}


def _parameter(item: Parameter) -> dict[str, Any]:
    kinds = typing.get_args(item.type) if isinstance(item.type, types.UnionType) else (item.type,)
    (kind,) = (kind for kind in kinds if kind is not type(None))
    return {**dataclasses.asdict(item), "type": kind.__name__}


_THREAT = ("eps", "target", "mask", "rotation", "translation")


def written_threat(threat: Threat) -> dict[str, Any]:
    """A threat as plain fields and a tensor; see `threat_of`."""
    plain = {name: getattr(threat, name) for name in _THREAT}
    return {**plain, "norm": threat.norm, "goal": threat.goal, "corruptions": list(threat.corruptions)}


def threat_of(written: dict[str, Any]) -> Threat:
    """The threat that was written."""
    words = {"norm": Norm(written["norm"]), "goal": Goal(written["goal"])}
    return Threat(**{**written, **words, "corruptions": tuple(written["corruptions"])})
