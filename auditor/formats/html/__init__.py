"""`report.html`: one file that holds everything, opens without a network and works without JavaScript."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.formats.base import Format

if TYPE_CHECKING:
    from auditor.result.run import Run


class Html(Format):
    """The report for people."""

    name = "html"
    filename = "report.html"
    help = "The full report for people: one self-contained file."

    def render(self, run: Run, templates: tuple[str, ...] = ()) -> str:
        """Render `report.html.j2`.

        Raises:
            PluginError: a package in `templates` cannot be found, or one of its templates is wrong.
            RunError: `samples.csv` is missing or damaged.
        """
        from auditor.formats.html.environment import render
        from auditor.formats.html.page import page_of

        return render("report.html.j2", page_of(run), templates)
