"""auditor: how robust is a model file to adversarial inputs, and how far can that answer be trusted?

The names below are the public ones; they are imported when first used, so that `import auditor` stays cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from auditor._version import __version__

if TYPE_CHECKING:
    from auditor.attack import Attack, Passes
    from auditor.check import Check, Finding, Severity, Stage, plot
    from auditor.defense import Addition, Defense, Recipe, Training, Wrapper
    from auditor.engine.inquiry import Inquiry
    from auditor.engine.ledger import margins
    from auditor.engine.scene import Scene
    from auditor.engine.trial import Trial
    from auditor.engine.view import Gradient, View
    from auditor.errors import AuditorError, DataError, ModelError, PluginError, RunError, UsageError
    from auditor.extraction import Extraction, Oracle
    from auditor.formats.base import Format
    from auditor.harden.trainee import Trainee
    from auditor.hookspecs import hookimpl
    from auditor.lanes import LaneAttack, Lanes
    from auditor.parameters import parameter
    from auditor.result.run import Run
    from auditor.rng import Rng
    from auditor.samples.base import SampleOptions, Samples, Skipped
    from auditor.target.base import ModelOptions, Target
    from auditor.target.through import straight_through
    from auditor.types import Access, Goal, Norm, Threat
    from auditor.universal import UniversalAttack

_HOME = {
    "Access": "types",
    "Addition": "defense",
    "Attack": "attack",
    "AuditorError": "errors",
    "Check": "check",
    "DataError": "errors",
    "Defense": "defense",
    "Extraction": "extraction",
    "Finding": "check",
    "Format": "formats.base",
    "Goal": "types",
    "Gradient": "engine.view",
    "Inquiry": "engine.inquiry",
    "LaneAttack": "lanes",
    "Lanes": "lanes",
    "ModelError": "errors",
    "ModelOptions": "target.base",
    "Norm": "types",
    "Oracle": "extraction",
    "Passes": "attack",
    "PluginError": "errors",
    "Recipe": "defense",
    "Rng": "rng",
    "Run": "result.run",
    "RunError": "errors",
    "SampleOptions": "samples.base",
    "Samples": "samples.base",
    "Scene": "engine.scene",
    "Severity": "check",
    "Skipped": "samples.base",
    "Stage": "check",
    "Target": "target.base",
    "Threat": "types",
    "Trainee": "harden.trainee",
    "Training": "defense",
    "Trial": "engine.trial",
    "UniversalAttack": "universal",
    "UsageError": "errors",
    "View": "engine.view",
    "Wrapper": "defense",
    "hookimpl": "hookspecs",
    "margins": "engine.ledger",
    "parameter": "parameters",
    "plot": "check",
    "straight_through": "target.through",
}

__all__ = [
    "Access",
    "Addition",
    "Attack",
    "AuditorError",
    "Check",
    "DataError",
    "Defense",
    "Extraction",
    "Finding",
    "Format",
    "Goal",
    "Gradient",
    "Inquiry",
    "LaneAttack",
    "Lanes",
    "ModelError",
    "ModelOptions",
    "Norm",
    "Oracle",
    "Passes",
    "PluginError",
    "Recipe",
    "Rng",
    "Run",
    "RunError",
    "SampleOptions",
    "Samples",
    "Scene",
    "Severity",
    "Skipped",
    "Stage",
    "Target",
    "Threat",
    "Trainee",
    "Training",
    "Trial",
    "UniversalAttack",
    "UsageError",
    "View",
    "Wrapper",
    "__version__",
    "hookimpl",
    "margins",
    "parameter",
    "plot",
    "straight_through",
]


def __getattr__(name: str) -> Any:
    try:
        module = _HOME[name]
    except KeyError:
        raise AttributeError(f"module 'auditor' has no attribute {name!r}") from None
    return getattr(importlib.import_module(f"auditor.{module}"), name)
