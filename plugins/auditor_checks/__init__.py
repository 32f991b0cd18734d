"""First-party trust checks, offered through the same door as anyone's: what the modules of this package define."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.hookspecs import hookimpl

if TYPE_CHECKING:
    from auditor.check import Check


@hookimpl
def auditor_checks() -> list[type[Check]]:
    """The checks of this package, by code. A module whose name begins with an underscore defines none."""
    from auditor.check import Check
    from auditor.discovery import defined

    found = [kind for kind in defined(__name__, __path__) if issubclass(kind, Check)]
    return sorted(found, key=lambda check: check.code)
