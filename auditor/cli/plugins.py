"""`auditor plugins`: what is installed and what is broken; a new one; whether one keeps its promises."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from auditor.cli import options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from auditor.plugins import Plugins

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
    from auditor.scaffold import write_plugin

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
    without: options.Without = None,
) -> None:
    """Ask an installed plugin what every plugin of its kind promises, and say what it answers.

    Exit code: 0 all promises are kept, 1 one is not, 2 there is no such plugin.
    """
    from rich.console import Console
    from rich.text import Text

    from auditor.errors import UsageError
    from auditor.plugins import load_plugins
    from auditor.testing.kit import questions

    found, console, broken, asked = load_plugins(without or ()), Console(), 0, 0
    loaders = _loaders(name, found, model, data)
    for thing in (*_things(name, found), *loaders):
        for question in questions(thing):
            asked += 1
            if said := _answer(question):
                broken += 1
                console.print(Text.assemble(("no   ", "red"), f"{question}\n       {said}"), soft_wrap=True)
            else:
                console.print(Text.assemble(("yes  ", "green"), str(question)), soft_wrap=True)
    for failure in found.failures:
        if name in (failure.plugin.name, failure.plugin.distribution):
            raise UsageError(f"{failure.plugin} is broken, at {failure.stage}: {failure.error}.")
    if not asked:
        raise UsageError(f"The plugin {name} offers nothing that the kit has questions for.")
    if loaders and model is None:
        console.print(
            "Most that loaders promise is about files: name one that it loads with --model FILE.", soft_wrap=True
        )
    kept = asked - broken
    console.print(f"{kept} of {asked} promises are kept.", highlight=False)
    raise typer.Exit(1 if broken else 0)


def _things(name: str, found: Plugins) -> Iterator[Any]:
    """All that a plugin offers, or the one thing of that name. Raises UsageError."""
    from auditor.configuration import parse_attack
    from auditor.errors import UsageError
    from auditor.parameters import coerced

    if any(name in (plugin.name, plugin.distribution) for plugin in found.loaded):
        yield from found.offered(name)
        return
    said = parse_attack(name, "the argument")
    known: dict[str, Any] = {**found.formats(), **found.defenses(), **found.attacks(), **found.checks()}
    if said.name not in known:
        raise UsageError(f"Nothing installed is called {said.name!r}; `auditor plugins --all` lists what is.")
    thing = known[said.name]
    yield thing(**coerced(thing, said.parameters)) if said.parameters else thing


def _loaders(name: str, found: Plugins, model: Path | None, data: str | None) -> list[Any]:
    """What the kit is to ask about loaders. Raises UsageError where a model is given and there is none to load it."""
    from auditor.errors import UsageError
    from auditor.samples.base import SampleOptions
    from auditor.testing.loaders import Loading

    loads = found.loaders(name)
    if model is not None and not loads:
        raise UsageError(f"--model goes with a plugin that loads models, and {name} does not.")
    if model is not None and not model.is_file():
        raise UsageError(f"{model} is no file; name a model file that {name} loads.")
    x = None
    if data is not None:
        samples = found.load_samples(data, SampleOptions())
        x = samples.fetch(range(min(8, len(samples))))
    return [Loading(load=load, file=model, x=x) for load in loads]


def _answer(question: Any) -> str:
    """What was seen in place of what the question asks; empty where it is as it should be."""
    from auditor.border import foreign, said

    try:
        with foreign():
            question.ask()
    except AssertionError as error:
        return str(error) or "an assertion of its own failed"
    except Exception as error:  # a plugin border
        return said(error)
    return ""
