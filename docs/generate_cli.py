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
    groups = [(f"{group.name} ", group.typer_instance) for group in app.registered_groups]
    every = [(before, command) for before, part in [("", app), *groups] for command in part.registered_commands]
    return "\n".join([_HEAD, *(line for before, command in every for line in _command(before, command))])


def _command(before: str, command: Any) -> Iterator[str]:
    signature = inspect.signature(command.callback)
    hints = typing.get_type_hints(command.callback, include_extras=True)
    arguments, options = [], []
    for name, hint in hints.items():
        if name == "return":
            continue
        if not typing.get_args(hint):
            continue  # The context, which no user gives.
        kind, info = typing.get_args(hint)
        if isinstance(info, ArgumentInfo):
            label = info.metavar or name.upper()
            required = signature.parameters[name].default is inspect.Parameter.empty
            arguments.append((label if required else f"[{label}]", info.help))
        else:
            options.append((_flags(name, kind, info), info.help))
    words = ["auditor", before + command.name, *(label for label, _ in arguments), *(["[OPTIONS]"] if options else [])]
    yield from (f"## auditor {before}{command.name}", "", f"    {' '.join(words)}", "")
    yield from (inspect.cleandoc(command.callback.__doc__ or ""), "")
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
