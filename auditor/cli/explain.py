"""`auditor explain`: what an attack, a check, a defense, an extraction or a format does, from its own text."""

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
    kinds: dict[str, dict[str, Any]] = {
        "attack": found.attacks(), "defense": found.defenses(), "extraction": found.extractions(),
        "check": found.checks(), "format": found.formats(),
    }  # fmt: skip
    # An attack and the training with it go by one name.
    meant = {kind: things[each] for kind, things in kinds.items() for each in _spellings(name) if each in things}
    if not meant and (made := found.find_attack(name)):
        meant = {"attack": made}
    if not meant:
        near = difflib.get_close_matches(name, [*(each for things in kinds.values() for each in things), *CODES], n=3)
        hint = f" Did you mean {', '.join(dict.fromkeys(near))}?" if near else ""
        raise UsageError(f"Nothing installed is called {name!r}.{hint} `auditor plugins --all` lists everything.")
    texts = [_lines(f"{name} ({kind})" if len(meant) > 1 else name, thing) for kind, thing in meant.items()]
    Console().print("\n\n".join(map("\n".join, texts)), soft_wrap=False, highlight=False, markup=False)


def _spellings(name: str) -> list[str]:
    """As written first, so that it counts where another name differs in its case only."""
    return [name.lower(), name.upper(), name]


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
