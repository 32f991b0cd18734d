"""`auditor compare`: two runs, pair by pair."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.table import Table

    from auditor.result.comparison import Pair, SizePair

CONFIDENCE = 0.95
"""Of the intervals that are printed; the runs may have been made at different ones."""


def compare(
    before: Annotated[Path, typer.Argument(help="The earlier run.")],
    after: Annotated[Path, typer.Argument(help="The later run.")],
) -> None:
    """Say what changed between two runs, per sample, and whether it is more than noise.

    Only samples that both runs hold are compared; what else differs between the runs is said first. Where both looked
    for the smallest changes, these are compared sample by sample.

    Exit code: 0 no threat got worse, 1 one did: beyond chance and by more than a point; 2 the runs cannot be compared.
    """
    from rich.console import Console

    from auditor.errors import UsageError
    from auditor.result.comparison import compare_runs
    from auditor.result.run import Run

    later = Run(after)
    comparison = compare_runs(Run(before), later, CONFIDENCE)
    if not comparison.pairs and not comparison.sizes:
        raise UsageError("The runs share no model and threat, so there is nothing to compare.")
    console = Console()
    for note in (*comparison.doubts, *comparison.notes):
        console.print(f"Note: {note}", soft_wrap=True, highlight=False, markup=False)
    if comparison.pairs:
        console.print(_accuracies(comparison.pairs, later.result.settings))
    if comparison.sizes:
        console.print("\nSmallest changes; smaller: samples that now fall to less, larger: that now need more.")
        console.print(_sizes(comparison.sizes))
    raise typer.Exit(1 if comparison.worse else 0)


def _accuracies(pairs: tuple[Pair, ...], settings: Mapping[str, Any]) -> Table:
    """Shares before and after, in 80 columns: a model is a line of its own."""
    from rich.text import Text

    from auditor.formats.words import percent, printable, threat

    table = _table("", "before", "after", "lost", "gained", "of", f"drop ({CONFIDENCE:.0%})", "p", "")
    for model in dict.fromkeys(pair.model for pair in pairs):
        table.add_row(Text(printable(model), style="bold"))
        for pair in pairs:
            if pair.model != model:
                continue
            drop = pair.drop
            table.add_row(
                Text(f"  {threat(pair.norm, pair.eps, settings) if pair.norm else 'clean'}"),
                percent(drop.before),
                percent(drop.after),
                str(drop.lost),
                str(drop.gained),
                str(drop.n),
                " to ".join(f"{100 * end:.1f}" for end in drop.interval),
                f"{drop.p:.2g}",
                drop.word,
            )
    return table


def _sizes(pairs: tuple[SizePair, ...]) -> Table:
    """Medians of the smallest changes; samples for which a smaller one was found now, and a larger one."""
    from rich.text import Text

    from auditor.formats.words import budget, printable, threat

    table = _table("median", "before", "after", "ratio", "smaller", "larger", "of", "p", "")
    for model in dict.fromkeys(pair.model for pair in pairs):
        table.add_row(Text(printable(model), style="bold"))
        for pair in pairs:
            if pair.model != model:
                continue
            change = pair.change
            sizes = ("none" if size is None else budget(pair.norm, size) for size in (change.before, change.after))
            table.add_row(
                Text(f"  {threat(pair.norm, math.inf)}"),
                *sizes,
                "" if change.ratio is None else f"{change.ratio:.3g}",
                str(change.smaller),
                str(change.larger),
                str(change.n),
                f"{change.p:.2g}",
                change.word,
            )
    return table


def _table(*heads: str) -> Table:
    """Numbers stay whole; names and words fold where the terminal is narrow."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(heads[0], overflow="fold")
    for head in heads[1:-1]:
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column(heads[-1])
    return table
