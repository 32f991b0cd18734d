"""The names and hooks that plugin authors build on; a change here is a change for everyone."""

from __future__ import annotations

import inspect
from types import FunctionType

import pytest

import auditor
from auditor import hookspecs

# fmt: off
NAMES = (
    "Access", "Addition", "Attack", "AuditorError", "Check", "DataError", "Defense", "Extraction", "Finding", "Format",
    "Goal", "Gradient", "Inquiry", "LaneAttack", "Lanes", "ModelError", "ModelOptions", "Norm", "Oracle", "Passes",
    "PluginError", "Recipe", "Rng", "Run", "RunError", "SampleOptions", "Samples", "Scene", "Severity", "Skipped",
    "Stage", "Target", "Threat", "Trainee", "Training", "Trial", "UniversalAttack", "UsageError", "View", "Wrapper",
    "__version__", "hookimpl", "margins", "parameter", "plot", "straight_through",
)
# fmt: on

HOOKS = {
    "auditor_attacks": "() -> 'Iterable[type[Attack]]'",
    "auditor_find_attack": "(name: 'str') -> 'type[Attack] | None'",
    "auditor_defenses": "() -> 'Iterable[type[Defense]]'",
    "auditor_checks": "() -> 'Iterable[type[Check]]'",
    "auditor_extractions": "() -> 'Iterable[type[Extraction]]'",
    "auditor_formats": "() -> 'Iterable[Format]'",
    "auditor_operators": "() -> 'None'",
    "auditor_load_model": "(path: 'str', options: 'ModelOptions', device: 'torch.device') -> 'Target | None'",
    "auditor_load_samples": "(source: 'str', options: 'SampleOptions') -> 'Samples | None'",
    "auditor_templates": "() -> 'str'",
    "auditor_event": "(event: 'Event') -> 'None'",
}


def test_the_public_names_are_these() -> None:
    assert sorted(auditor.__all__) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_there_and_says_what_it_is(name: str) -> None:
    thing = getattr(auditor, name)
    assert name == "__version__" or inspect.getdoc(thing)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Atack'"):
        auditor.Atack  # noqa: B018


def test_the_eleven_hooks_have_these_signatures() -> None:
    specs = {
        name: str(inspect.signature(thing))
        for name, thing in vars(hookspecs).items()
        if isinstance(thing, FunctionType) and name.startswith("auditor_")
    }
    assert specs == HOOKS
