"""Writes docs/reference/cli.md from the command line itself: `python docs/generate_cli.py`.

A test holds the page against what this makes, so a flag and its documentation cannot part.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.models import ArgumentInfo, OptionInfo

from auditor.cli import app

PAGE = Path(__file__).parent / "reference" / "cli.md"
_METAVARS = {str: "TEXT", int: "INTEGER", float: "NUMBER", Path: "PATH"}

_HEAD = """\
# Command line

Made from the program by `python docs/generate_cli.py`; do not edit.

`auditor --version` prints the version, `auditor COMMAND --help` what stands here. Every flag of `auditor scan` can
stand in `auditor.toml` or in `[tool.auditor]` of `pyproject.toml`, without its dashes, and in the environment as
`AUDITOR_FLAG`; flags win.
"""


def cli_reference() -> str:
    """The page as Markdown."""
    return "\n".join([_HEAD, *(line for name, call in _commands() for line in _command(name, call))])


def _commands() -> Iterator[tuple[str, Any]]:
    """Every command with its words, those of groups after the others; a group that does something alone is one too."""
    for command in app.registered_commands:
        yield command.name, command.callback
    for group in app.registered_groups:
        if group.typer_instance.registered_callback is not None:
            yield group.name, group.typer_instance.registered_callback.callback
        for command in group.typer_instance.registered_commands:
            yield f"{group.name} {command.name}", command.callback


def _command(name: str, callback: Any) -> Iterator[str]:
    signature = inspect.signature(callback)
    hints = typing.get_type_hints(callback, include_extras=True)
    arguments, options = [], []
    for key, hint in hints.items():
        if key == "return":
            continue
        if not typing.get_args(hint):
            continue  # The context, which no user gives.
        kind, info = typing.get_args(hint)
        if isinstance(info, ArgumentInfo):
            label = info.metavar or key.upper()
            required = signature.parameters[key].default is inspect.Parameter.empty
            arguments.append((label if required else f"[{label}]", info.help))
        else:
            options.append((_flags(key, kind, info), info.help))
    words = ["auditor", name, *(label for label, _ in arguments), *(["[OPTIONS]"] if options else [])]
    yield from (f"## auditor {name}", "", f"    {' '.join(words)}", "")
    yield from (inspect.cleandoc(callback.__doc__ or ""), "")
    if rows := arguments + options:
        yield from ("| | |", "| --- | --- |")
        yield from (f"| `{left}` | {_cell(right or '')} |" for left, right in rows)
        yield ""


def _flags(name: str, kind: Any, info: OptionInfo) -> str:
    # Inside Annotated, typer takes the first name of an option as its `default`.
    given = [word for word in (info.default, *(info.param_decls or ())) if isinstance(word, str)]
    names = ", ".join(given) or f"--{name.replace('_', '-')}"
    types = [item for item in (typing.get_args(kind) or (kind,)) if item is not type(None)]
    if types == [bool]:
        return names
    item = (typing.get_args(types[0]) or types)[0]
    return f"{names} {info.metavar or _METAVARS[item]}"


def _cell(text: str) -> str:
    return re.sub(r"\[default: (.*)\]", r"Default: \1.", text).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(cli_reference(), encoding="utf-8")
