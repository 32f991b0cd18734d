"""First-party attacks, offered through the same door as anyone's: what the modules of this package define."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.hookspecs import hookimpl

if TYPE_CHECKING:
    from auditor.attack import Attack
    from auditor.extraction import Extraction


@hookimpl
def auditor_attacks() -> list[type[Attack]]:
    """The attacks of this package, by name. A module whose name begins with an underscore defines none."""
    from auditor.attack import Attack
    from auditor.discovery import defined

    found = [kind for kind in defined(__name__, __path__) if issubclass(kind, Attack)]
    return sorted(found, key=lambda attack: attack.name)


@hookimpl
def auditor_extractions() -> list[type[Extraction]]:
    """What trains substitutes."""
    from auditor_attacks.distill import Distill

    return [Distill]


@hookimpl
def auditor_find_attack(name: str) -> type[Attack] | None:
    """Attacks of other libraries, such as `foolbox:LinfPGD`."""
    from auditor_attacks._bridges import find

    return find(name)
