"""`auditor config`: what the settings file and the environment say, and which of them wins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from auditor.cli import options

if TYPE_CHECKING:
    from rich.table import Table

    from auditor.sources import Said


def config(
    file: options.Config = None,
    audit: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", envvar="AUDITOR_AUDIT", help="Only this audit; repeatable. [default: all]"),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what stays as it is by default.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of the file, for editors.")] = False,
) -> None:
    """Print the settings that `auditor scan` would use, each with where it comes from.

    From weak to strong: default, file, [audits.NAME] in it, AUDITOR_KEY in the environment; flags win over all.
    """
    import json

    from rich.console import Console

    from auditor.cli.schema import config_schema
    from auditor.configuration import build_settings
    from auditor.sources import OUTPUTS, ConfigFile

    console = Console()
    if schema:
        typer.echo(json.dumps(config_schema(), indent=2))
        return
    read = ConfigFile.read(file)
    for name in read.chosen(audit or (), models=False):
        told = read.said(name)
        # The models and the data may still come as flags; all else is checked here.
        needed = {"models": ["a model"], "data": "the data"}
        inner = {key: said.value for key, said in told.items() if key not in OUTPUTS}
        settings = build_settings({}, needed | inner)
        if name:
            console.print(f"audit {name}", style="bold", highlight=False, markup=False)
        console.print(_table(told, settings.model_dump(mode="json") if everything else {}))


def _table(told: dict[str, Said], defaults: dict[str, Any]) -> Table:
    from rich.table import Table
    from rich.text import Text

    from auditor.formats.words import printable

    table = Table(box=None, pad_edge=False)
    for head in ("setting", "value", "from"):
        table.add_column(head, overflow="fold")
    rows = [(key, said.value, said.origin) for key, said in told.items()]
    taken = {*told, "models", "data", "threats", "attacks", "wrappers"}
    rows += [(key, value, "default") for key, value in defaults.items() if key not in taken and value is not None]
    for key, value, origin in sorted(rows, key=lambda row: row[0]):
        shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        table.add_row(key.replace("_", "-"), Text(printable(shown)), Text(printable(origin)))
    if not rows:
        table.add_row("none", Text(""), Text("no settings file, and no AUDITOR_ variable"))
    return table
