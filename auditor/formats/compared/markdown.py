"""`comparison.md`: a comparison for a pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.formats.compared import view
from auditor.formats.markdown import grid, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from auditor.formats.compared.view import Line
    from auditor.result.comparison import Comparison
    from auditor.result.run import Run

_MOST = 20
"""Samples that are named, of each model and threat."""


def render(before: Run, after: Run, comparison: Comparison) -> str:
    """GitHub-flavoured Markdown; whatever a name holds is shown as text."""
    return "\n".join(_lines(before, after, comparison)) + "\n"


def _lines(before: Run, after: Run, comparison: Comparison) -> Iterator[str]:
    yield from (f"# auditor: {view.verdict(comparison)}", "", plain(view.headline(comparison)), "")
    for note in (*comparison.doubts, *comparison.notes):
        yield f"- {plain(note)}"
    yield ""
    if comparison.pairs:
        yield from _table(view.SHARE_HEADS, view.share_lines(comparison, after.result.settings))
    if comparison.sizes:
        yield from (plain(view.SIZES), "", *_table(view.SIZE_HEADS, view.size_lines(comparison)))
    for flips in view.flips(comparison, after):
        yield from (f"<details><summary>{plain(f'{flips.model}, {flips.title}')}</summary>", "")
        yield from (f"- {plain(sample)}" for sample in flips.some(_MOST))
        yield from ("", "</details>", "")
    yield plain(f"Before: {before.path}. After: {after.path}.")


def _table(heads: tuple[str, ...], lines: Iterable[Line]) -> Iterator[str]:
    yield from grid(("model", *heads), ((line.model, *line.cells) for line in lines))
