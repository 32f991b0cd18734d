"""Write `docs/reference/api.md` from the source of the hooks and the public names: `python docs/generate_api.py`."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import auditor
from auditor import hookspecs

PAGE = Path(__file__).parent / "reference" / "api.md"
INTRODUCTION = """\
# Signatures

<!-- Made by docs/generate_api.py from the source; edit that. -->

Every hook, and every name of `from auditor import …`, as its source declares and describes it; bodies and what is
private are left out. [Hooks and public names](hooks.md) says which is for what, and what becomes of a plugin that
breaks.
"""
_UNDESCRIBED = frozenset({"__version__", "hookimpl"})


def page() -> str:
    """The whole page."""
    hooks = [name for name in vars(hookspecs) if name.startswith("auditor_")]
    names = sorted(set(auditor.__all__) - _UNDESCRIBED, key=str.lower)
    parts = [INTRODUCTION, "## Hooks\n", *(_section(name, "auditor.hookspecs") for name in hooks)]
    parts += ["## Names\n", *(_section(name, _home(name)) for name in names)]
    return "\n".join(parts)


def _home(name: str) -> str:
    return str(getattr(auditor, name).__module__)


def _section(name: str, module: str) -> str:
    # What is said to type checkers and linters is not for readers.
    code = "\n".join(re.sub(r"  # (type: ignore|noqa).*", "", line) for line in declared(name, module))
    return f"### {name}\n\n`{module}`\n\n```python\n{code}\n```\n"


def declared(name: str, module: str) -> Iterator[str]:
    """The lines that declare and describe a function or a class."""
    path = importlib.import_module(module).__file__ or ""
    source = Path(path).read_text(encoding="utf-8")
    [node] = (
        each
        for each in ast.parse(source).body
        if isinstance(each, ast.FunctionDef | ast.ClassDef) and each.name == name
    )
    lines = source.splitlines()
    yield from _head(node, lines)
    if isinstance(node, ast.ClassDef):
        for number, member in enumerate(node.body):
            if _public(member):
                yield ""
                yield from _head(member, lines)
                if not isinstance(member, ast.FunctionDef) and _is_text(node.body, number + 1):
                    after = node.body[number + 1]
                    yield from lines[after.lineno - 1 : after.end_lineno]


def _head(node: ast.stmt, lines: list[str]) -> Iterator[str]:
    """From its first decorator to the end of its docstring; a declaration of a value whole."""
    if not isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield from lines[node.lineno - 1 : node.end_lineno]
        return
    begin = min([node.lineno, *(each.lineno for each in node.decorator_list)])
    if _is_text(node.body, 0):
        yield from lines[begin - 1 : node.body[0].end_lineno]
    else:
        yield from lines[begin - 1 : node.body[0].lineno - 1]
        yield f"{' ' * (node.col_offset + 4)}..."


def _public(member: ast.stmt) -> bool:
    match member:
        case ast.FunctionDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
            return not name.startswith("_")
        case ast.Assign(targets=[ast.Name(id=name)]):
            return not name.startswith("_")
    return False


def _is_text(body: list[ast.stmt], number: int) -> bool:
    match body[number : number + 1]:
        case [ast.Expr(value=ast.Constant(value=str()))]:
            return True
    return False


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
