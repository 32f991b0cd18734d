"""`auditor verify`: re-check the stored evidence against the model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from auditor.cli import options


def verify(
    run: Annotated[Path, typer.Argument(help="Run directory.")],
    model: Annotated[
        list[str] | None, typer.Option(help="Where the model lies now, if it moved; repeatable, in the run's order.")
    ] = None,
    device: options.Device = None,
    trust: options.Trust = False,
    without: options.Without = None,
) -> None:
    """Check every stored adversarial example again: norm, range, label, alone and in a batch.

    Exit code: 0 the evidence confirms the run, 1 it refutes it, 4 the model is not the one that was audited.
    """
    from rich.console import Console
    from rich.table import Table

    from auditor.engine.environment import choose_device
    from auditor.engine.verify import verify_run
    from auditor.formats.words import budget
    from auditor.plugins import load_plugins
    from auditor.result.run import Run

    plugins = load_plugins(without or ())
    reports = verify_run(Run(run), plugins, choose_device(device or "auto"), tuple(model or ()), trust=trust)
    console = Console()
    table = Table("model", "norm", "eps", "counted", "confirmed", "outcome", box=None, pad_edge=False)
    for item in reports:
        held = "not all kept" if item.unkept else "confirmed"
        outcome = held if item.confirmed else f"REFUTED: {item.problem}"
        counts = (budget(item.norm, item.eps) if item.norm else "", str(item.counted), str(item.held))
        table.add_row(item.model, item.norm, *counts, outcome)
    console.print(table)
    refuted = [item for item in reports if not item.confirmed]
    if refuted:
        console.print("The evidence does not bear out this run.")
        raise typer.Exit(1)
    total = sum(item.counted for item in reports)
    console.print(
        f"All {total} counted examples hold, and tables, gates and verdict agree: the run is confirmed. "
        "That the other samples are robust is what the attacks left, and no evidence can show it.",
        highlight=False,
    )
    if unkept := sum(item.unkept for item in reports):
        console.print(
            f"Cells of the transfer matrices that were not counted again, since {run / 'transfer'} does not hold the "
            f"examples any more: {unkept}.",
            highlight=False,
        )
