"""`auditor compare`: two runs on the same samples, pair by pair."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def compare(
    before: Annotated[Path, typer.Argument(help="The earlier run.")],
    after: Annotated[Path, typer.Argument(help="The later run.")],
) -> None:
    """Say what changed between two runs, per sample, and whether it is more than noise.

    Exit code: 0 no threat got worse, 1 one did beyond chance, 2 the runs cannot be compared.
    """
    from rich.console import Console
    from rich.table import Table

    from auditor.errors import UsageError
    from auditor.formats.words import threat
    from auditor.result.comparison import compare_runs
    from auditor.result.run import Run

    comparison = compare_runs(Run(before), Run(after))
    if not comparison.pairs:
        raise UsageError("The runs share no model and threat, so there is nothing to compare.")
    console = Console()
    for note in comparison.notes:
        console.print(f"Note: {note}", soft_wrap=True, highlight=False, markup=False)
    table = Table("model", "threat", "before", "after", "lost", "gained", "p", "", box=None, pad_edge=False)
    for pair in comparison.pairs:
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
    console.print(table)
    raise typer.Exit(1 if any(pair.worse for pair in comparison.pairs) else 0)
