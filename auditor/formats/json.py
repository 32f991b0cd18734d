"""`result.json`, written again in its canonical form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.formats.base import Format

if TYPE_CHECKING:
    from auditor.result.run import Run


class Json(Format):
    """The record itself, for programs."""

    name = "json"
    filename = "result.json"
    help = "The whole record for programs: schema auditor.result/1."

    def render(self, run: Run, templates: tuple[str, ...] = ()) -> str:
        """Keys in the schema's order, two spaces, one final newline."""
        return run.result.to_json()
