"""The eleven hooks. Entry-point group `auditor`; implementations are marked with `auditor.hookimpl`.

Implementations take the arguments they need, by name, and return values; provenance comes from the plugin that
answered. A plugin that raises is listed and left out; nothing else fails because of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import torch

    from auditor.attack import Attack
    from auditor.check import Check
    from auditor.defense import Defense
    from auditor.events import Event
    from auditor.extraction import Extraction
    from auditor.formats.base import Format
    from auditor.samples.base import SampleOptions, Samples
    from auditor.target.base import ModelOptions, Target

hookspec = pluggy.HookspecMarker("auditor")
hookimpl = pluggy.HookimplMarker("auditor")


@hookspec
def auditor_attacks() -> Iterable[type[Attack]]:  # type: ignore[empty-body]
    """Attack classes; asked once, when a command needs attacks."""


@hookspec(firstresult=True)
def auditor_find_attack(name: str) -> type[Attack] | None:
    """The attack class that `name` means, though nothing offers it by that name; None where this plugin does not know.

    For attacks that are made on demand, such as `foolbox:LinfPGD`. Asked for names that no `auditor_attacks` offers.
    Raise `auditor.UsageError` with a sentence where the name is this plugin's business and means nothing.
    """


@hookspec
def auditor_defenses() -> Iterable[type[Defense]]:  # type: ignore[empty-body]
    """Defense classes; asked once, when a command needs defenses."""


@hookspec
def auditor_checks() -> Iterable[type[Check]]:  # type: ignore[empty-body]
    """Check classes, each with a code of its own; asked once, when a command needs checks."""


@hookspec
def auditor_extractions() -> Iterable[type[Extraction]]:  # type: ignore[empty-body]
    """Classes that train substitutes from a target's answers, for `--surrogate`; asked once, when one is named."""


@hookspec
def auditor_formats() -> Iterable[Format]:  # type: ignore[empty-body]
    """Report formats: each a name, a file name and a pure function of a finished run."""


@hookspec
def auditor_operators() -> None:
    """Register ONNX operators that the twin lacks; called once, before the first model is loaded.

    An implementation imports the modules that register with `auditor.onnx.operator`, and returns nothing.
    If it raises, none of its registrations stay.
    """


@hookspec(firstresult=True)
def auditor_load_model(path: str, options: ModelOptions, device: torch.device) -> Target | None:
    """The target that `path` names, or None where this plugin does not know such models.

    `path` is what the user wrote: a file, or a name such as `package.module:factory`.
    Raise `auditor.ModelError` with a sentence where the model is this plugin's business and cannot be loaded.
    """


@hookspec(firstresult=True)
def auditor_load_samples(source: str, options: SampleOptions) -> Samples | None:
    """The samples that `source` names, or None where this plugin does not know such data.

    Raise `auditor.DataError` with a sentence where the data is this plugin's business and cannot be read.
    """


@hookspec
def auditor_templates() -> str:  # type: ignore[empty-body]
    """Import name of a package whose Jinja2 templates override auditor's own of the same name."""


@hookspec
def auditor_event(event: Event) -> None:
    """Told of what happens during a scan; see `auditor.events`."""
