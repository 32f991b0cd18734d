"""`comparison.html`, `comparison.md` and `comparison.json`: what changed between two runs, for a pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.errors import RunError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from auditor.result.comparison import Comparison
    from auditor.result.run import Run

FILES = {"html": "comparison.html", "json": "comparison.json", "markdown": "comparison.md"}
"""The formats, and the file that each writes."""


def chosen(text: str) -> tuple[str, ...]:
    """The names in a list with commas. Raises UsageError for one that there is not."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if unknown := [name for name in names or ("",) if name not in FILES]:
        raise UsageError(f"A comparison has no format {unknown[0]!r}; choose from {', '.join(FILES)}.")
    return names


def write_comparison(
    name: str, before: Run, after: Run, comparison: Comparison, folder: Path, templates: tuple[str, ...] = ()
) -> Path:
    """Write one format into `folder`; `templates` are packages whose templates override ours.

    Raises:
        RunError: the file cannot be written.
        PluginError: a template is wrong.
    """
    from auditor.formats.compared import json, markdown, page
    from auditor.result.evidence import atomic_write

    if name == "html":
        text = page.html(before, after, comparison, templates)
    else:
        render = {"json": json.render, "markdown": markdown.render}[name]
        text = render(before, after, comparison)
    path = folder / FILES[name]
    try:
        atomic_write(path, text.encode())
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror}.") from error
    return path
