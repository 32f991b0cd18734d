"""`auditor plugins`: what is installed, from where, and what is broken."""

from __future__ import annotations

from typing import Annotated

import typer

from auditor.cli import options


def plugins(
    everything: Annotated[bool, typer.Option("--all", help="Also what each plugin offers (imports them).")] = False,
    without: options.Without = None,
) -> None:
    """List the plugins with their distributions; works with every one of them broken."""
    from rich.console import Console
    from rich.table import Table

    from auditor.defense import Wrapper
    from auditor.plugins import load_plugins

    found, console = load_plugins(without or ()), Console()
    table = Table("plugin", "distribution", "version", "hooks", box=None, pad_edge=False)
    for plugin in found.loaded:
        hooks = ", ".join(h.removeprefix("auditor_") for h in plugin.hooks) or "none"
        table.add_row(plugin.name, plugin.distribution, plugin.version, hooks)
    console.print(table)
    if everything:
        defenses = found.defenses()
        wrappers = {name for name, kind in defenses.items() if issubclass(kind, Wrapper)}
        for title, names in (
            ("attacks", found.attacks()),
            ("recipes", defenses.keys() - wrappers),
            ("wrappers", wrappers),
            ("checks", found.checks()),
            ("extractions", found.extractions()),
            ("formats", found.formats()),
        ):
            console.print(f"\n{title}: {', '.join(sorted(names)) or 'none'}", soft_wrap=True, highlight=False)
    for failure in found.failures:
        console.print(f"\nbroken: {failure.plugin}, at {failure.stage}: {failure.error}", markup=False, soft_wrap=True)
