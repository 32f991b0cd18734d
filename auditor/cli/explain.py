"""`auditor explain`: what an attack, a check, a defense or a format does, from its own text."""

from __future__ import annotations

import difflib
import inspect
import re
from typing import Annotated, Any

import typer

from auditor.cli import options


def explain(
    name: Annotated[str, typer.Argument(help="An attack, defense or format by name, or a check by code (AUD101).")],
    without: options.Without = None,
) -> None:
    """Say what an attack, a check, a defense or a format does."""
    from rich.console import Console

    from auditor.codes import CODES
    from auditor.errors import UsageError
    from auditor.plugins import load_plugins

    if name.upper() in CODES:
        title, text = CODES[name.upper()]
        Console().print(f"{name.upper()}: {title}\n\n{reflowed(text)}", highlight=False, markup=False)
        return
    found = load_plugins(without or ())
    things: dict[str, Any] = {**found.formats(), **found.defenses(), **found.attacks(), **found.checks()}
    thing = things.get(name) or things.get(name.upper()) or things.get(name.lower()) or found.find_attack(name)
    if thing is None:
        near = difflib.get_close_matches(name, [*things, *CODES], n=3)
        hint = f" Did you mean {', '.join(near)}?" if near else ""
        raise UsageError(f"Nothing installed is called {name!r}.{hint} `auditor plugins --all` lists everything.")
    Console().print("\n".join(_lines(name, thing)), soft_wrap=False, highlight=False, markup=False)


def _lines(name: str, thing: Any) -> list[str]:
    from auditor.parameters import parameters_of

    cls = thing if isinstance(thing, type) else type(thing)
    lines = [f"{name}: {getattr(cls, 'title', '')}".rstrip(": "), ""]
    lines += [reflowed(str(cls.__doc__ or getattr(cls, "help", ""))), ""]
    for label, value in _facts(cls):
        lines.append(f"{label + ':':<12} {value}")
    parameters = parameters_of(cls) if hasattr(cls, "__dataclass_fields__") else ()
    if parameters:
        lines += ["", "Parameters"]
        for item in parameters:
            limits = f" ({item.bounds})" if item.bounds else ""
            lines.append(f"  {item.name} = {item.default!r}{limits}: {item.help}")
    return lines


def reflowed(doc: str) -> str:
    """A docstring as paragraphs that the terminal may wrap; `Heading:` lines and lists keep their own lines."""
    lines: list[str] = []
    for line in inspect.cleandoc(doc).splitlines():
        starts = not line.strip() or not lines or not lines[-1] or re.match(r"\s*([A-Z][a-z ]+:|[-*] )", line)
        if starts:
            lines.append(line.strip())
        else:
            lines[-1] += " " + line.strip()
    return "\n".join(lines)


def _facts(cls: type) -> list[tuple[str, str]]:
    facts = [("paper", getattr(cls, "paper", "")), ("access", str(getattr(cls, "access", "")))]
    if norms := getattr(cls, "norms", None):
        facts.append(("norms", ", ".join(sorted(norms))))
    facts.append(("stage", str(getattr(cls, "stage", ""))))
    return [(label, value) for label, value in facts if value]
