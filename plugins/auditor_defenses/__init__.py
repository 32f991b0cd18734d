"""First-party defenses, offered through the same door as anyone's: what the modules of this package define."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.hookspecs import hookimpl

if TYPE_CHECKING:
    from auditor.defense import Defense


@hookimpl
def auditor_defenses() -> list[type[Defense]]:
    """The defenses of this package, by name. A module whose name begins with an underscore defines none."""
    from auditor.defense import Defense
    from auditor.discovery import defined

    found = [kind for kind in defined(__name__, __path__) if issubclass(kind, Defense)]
    return sorted(found, key=lambda defense: defense.name)
