"""`auditor compare`: two runs on the same samples, pair by pair."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from auditor.result.comparison import Pair, SizePair


def compare(
    before: Annotated[Path, typer.Argument(help="The earlier run.")],
    after: Annotated[Path, typer.Argument(help="The later run.")],
) -> None:
    """Say what changed between two runs, per sample, and whether it is more than noise.

    Where both looked for the smallest changes, these are compared sample by sample.

    Exit code: 0 no threat got worse, 1 one did beyond chance, 2 the runs cannot be compared.
    """
    from rich.console import Console

    from auditor.errors import UsageError
    from auditor.result.comparison import compare_runs
    from auditor.result.run import Run

    comparison = compare_runs(Run(before), Run(after))
    if not comparison.pairs and not comparison.sizes:
        raise UsageError("The runs share no model and threat, so there is nothing to compare.")
    console = Console()
    for note in comparison.notes:
        console.print(f"Note: {note}", soft_wrap=True, highlight=False, markup=False)
    if comparison.pairs:
        console.print(_accuracies(comparison.pairs))
    if comparison.sizes:
        console.print("\nSmallest changes; smaller: samples that now fall to less, larger: that now need more.")
        console.print(_sizes(comparison.sizes))
    worse = any(pair.worse for pair in comparison.pairs) or any(pair.worse for pair in comparison.sizes)
    raise typer.Exit(1 if worse else 0)


def _accuracies(pairs: tuple[Pair, ...]) -> Table:
    from rich.table import Table

    from auditor.formats.words import threat

    table = Table("model", "threat", "before", "after", "lost", "gained", "p", "", box=None, pad_edge=False)
    for pair in pairs:
        table.add_row(
            pair.model,
            threat(pair.norm, pair.eps) if pair.norm else "clean",
            f"{pair.before:.1%}",
            f"{pair.after:.1%}",
            str(pair.lost),
            str(pair.gained),
            f"{pair.p:.3g}",
            pair.word,
        )
    return table


def _sizes(pairs: tuple[SizePair, ...]) -> Table:
    """Medians of the smallest changes; samples for which a smaller one was found now, and a larger one."""
    from rich.table import Table

    from auditor.formats.words import budget, threat

    heads = ("model", "median", "before", "after", "ratio", "smaller", "larger", "p", "")
    table = Table(*heads, box=None, pad_edge=False)
    for pair in pairs:
        change = pair.change
        medians = ("not found" if size is None else budget(pair.norm, size) for size in (change.before, change.after))
        table.add_row(
            pair.model,
            threat(pair.norm, math.inf),
            *medians,
            "" if change.ratio is None else f"{change.ratio:.3g}",
            f"{change.smaller} of {change.n}",
            str(change.larger),
            f"{change.p:.3g}",
            change.word,
        )
    return table
