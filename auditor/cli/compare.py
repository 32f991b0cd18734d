"""`auditor compare`: two runs, pair by pair."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from auditor.formats.compared.view import Line
    from auditor.result.comparison import Comparison
    from auditor.result.run import Run

_MOST = 5
"""Samples that the terminal names, of each model and threat."""


def compare(
    before: Annotated[Path, typer.Argument(help="The earlier run.")],
    after: Annotated[Path, typer.Argument(help="The later run.")],
    formats: Annotated[
        str | None, typer.Option("--format", help="Also write it: html (with pictures), markdown, json.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for that. [default: the later run's]")] = None,
) -> None:
    """Say what changed between two runs, per sample, and whether it is more than noise.

    Only samples that both runs hold are compared; what else differs between the runs is said first. Where both looked
    for the smallest changes, these are compared sample by sample. In a CI job that shows a summary, the Markdown
    is added to it.

    Exit code: 0 no threat got worse, 1 one did: beyond chance and by more than a point; 2 the runs cannot be compared.
    """
    from rich.console import Console

    from auditor.errors import UsageError
    from auditor.formats.compared import chosen
    from auditor.formats.compared.view import CONFIDENCE
    from auditor.result.comparison import compare_runs
    from auditor.result.run import Run

    names = () if formats is None else chosen(formats)
    earlier, later = Run(before), Run(after)
    comparison = compare_runs(earlier, later, CONFIDENCE)
    if not comparison.pairs and not comparison.sizes:
        raise UsageError("The runs share no model and threat, so there is nothing to compare.")
    console = Console()
    _show(comparison, later, console)
    _write(names, earlier, later, comparison, out or after, console)
    raise typer.Exit(1 if comparison.worse else 0)


def _show(comparison: Comparison, later: Run, console: Console) -> None:
    from auditor.formats.compared import view

    _say(console, f"{view.verdict(comparison).upper()}  {view.headline(comparison)}\n")
    for note in (*comparison.doubts, *comparison.notes):
        _say(console, f"Note: {note}")
    if comparison.pairs:
        _table(console, view.SHARE_HEADS, view.share_lines(comparison, later.result.settings))
    if comparison.sizes:
        _say(console, f"\n{view.SIZES}")
        _table(console, view.SIZE_HEADS, view.size_lines(comparison))
    for flips in view.flips(comparison, later):
        _say(console, f"\n{flips.model}, {flips.title}")
        for sample in flips.some(_MOST):
            _say(console, f"  {sample}")


def _write(
    names: tuple[str, ...], before: Run, after: Run, comparison: Comparison, folder: Path, console: Console
) -> None:
    from auditor.cli.job_summary import add_to_job_summary
    from auditor.formats.compared import write_comparison
    from auditor.plugins import load_plugins

    if not names:
        return
    templates = load_plugins().templates()
    console.print()
    for name in names:
        path = write_comparison(name, before, after, comparison, folder, templates)
        _say(console, str(path))
        if name == "markdown":
            add_to_job_summary(path)


def _say(console: Console, text: str) -> None:
    from auditor.formats.words import printable

    console.print("\n".join(map(printable, text.split("\n"))), soft_wrap=True, highlight=False, markup=False)


def _table(console: Console, heads: tuple[str, ...], lines: Iterable[Line]) -> None:
    """In 80 columns: a model is a line of its own, numbers stay whole, names and words fold."""
    from rich.table import Table
    from rich.text import Text

    from auditor.formats.words import printable

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(heads[0], overflow="fold")
    for head in heads[1:-1]:
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column(heads[-1])
    model = ""
    for line in lines:
        if line.model != model:
            model = line.model
            table.add_row(Text(printable(model), style="bold"))
        table.add_row(Text(f"  {line.cells[0]}"), *line.cells[1:])
    console.print(table)
