"""`auditor plugins`: what is installed and what is broken; a new one; whether one keeps its promises."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from auditor.cli import options

app = typer.Typer(
    help="List plugins, write a new one, or ask whether one keeps what plugins promise.",
    add_completion=False,
    rich_markup_mode=None,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def plugins(
    ctx: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Also what each plugin offers (imports them).")] = False,
    without: options.Without = None,
) -> None:
    """List the plugins with their distributions; works with every one of them broken."""
    if ctx.invoked_subcommand is not None:
        return
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


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="Its name, such as my-attack.")],
    kind: Annotated[
        str, typer.Option(help="attack, recipe, wrapper, check, format or loader. [default: attack]")
    ] = "attack",
    out: Annotated[Path, typer.Option(help="Folder to write it into. [default: the working directory]")] = Path(),
) -> None:
    """Write a distribution with a plugin that works: installed, it is listed at once, and its tests pass."""
    from auditor.errors import UsageError
    from auditor.plugins import load_plugins
    from auditor.scaffold import write_plugin

    found = load_plugins()
    offered = {"attack": "attacks", "recipe": "defenses", "wrapper": "defenses", "format": "formats"}
    if kind in offered and name in getattr(found, offered[kind])():
        raise UsageError(f"There is {name!r} already, and no two plugins may offer one name; choose another.")
    place = write_plugin(name, kind, out)
    typer.echo(f"Wrote {place}. Next: pip install -e {place}, and auditor plugins check {name}")


@app.command("check")
def check(
    name: Annotated[
        str, typer.Argument(help="A plugin, by its name or distribution; or what it offers, as NAME[:key=value,...].")
    ],
    model: Annotated[
        Path | None, typer.Option(help="A small model file that a loader loads, to ask it all there is to ask.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Samples for that model, where it does not state their shape.")
    ] = None,
    isolate: Annotated[
        bool, typer.Option("--isolate", help="Ask in a process of its own, which no answer can take down with it.")
    ] = False,
    without: options.Without = None,
) -> None:
    """Ask an installed plugin what every plugin of its kind promises, and say what it answers.

    Exit code: 0 all promises are kept, 1 one is not, 2 there is no such plugin.
    """
    from rich.console import Console
    from rich.text import Text

    from auditor.plugins import load_plugins
    from auditor.testing.asking import Exam

    exam = Exam(name=name, model=None if model is None else str(model), data=data)
    barred = tuple(without or ())
    answers = exam.apart(barred) if isolate else exam.here(load_plugins(barred))
    console, seen = Console(), []
    for question, said in answers.each:
        seen.append((question, said))
        if said:
            console.print(Text.assemble(("no   ", "red"), f"{question}\n       {said}"), soft_wrap=True)
        else:
            console.print(Text.assemble(("yes  ", "green"), question), soft_wrap=True)
    if model is None and answers.loads:
        console.print(
            "Most that loaders promise is about files: name one that it loads with --model FILE.", soft_wrap=True
        )
    kept = sum(not said for _, said in seen)
    console.print(f"{kept} of {len(seen)} promises are kept.", highlight=False)
    raise typer.Exit(1 if kept < len(seen) else 0)
