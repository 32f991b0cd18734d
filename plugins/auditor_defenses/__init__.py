"""First-party defenses, offered through the same door as anyone's. There are none yet; the hook is answered so that
`auditor plugins` and the report say so, rather than leaving the question open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.hookspecs import hookimpl

if TYPE_CHECKING:
    from auditor.defense import Defense


@hookimpl
def auditor_defenses() -> tuple[type[Defense], ...]:
    """No defense yet."""
    return ()
