"""How attacks travel, as `auditor scan` prints it: models have numbers where their names would not fit 80 columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from auditor.formats import words
from auditor.formats.views.transfer import table as views

if TYPE_CHECKING:
    from rich.console import RenderableType

    from auditor.result.record import Result

_ROOM = 78
"""Characters of a line, less the indent."""
_WIDE, _FEW = 9, 5
"""Characters that a column's name may take, and models of which columns may have names."""
_CELL, _LEAST = 5, 16
"""Characters of a numbered column with the gap before it, and the least that is left to the names of rows."""


def transfer_tables(result: Result) -> Iterator[RenderableType]:
    """What to print; nothing where nothing was measured."""
    transfer = result.transfer
    if transfer is None:
        return
    yield Text("")
    yield Text.assemble(("transfer", "bold"), ("  rows: made on, columns: tried on", "dim"))
    for table in views.tables(transfer, result.settings):
        numbered = len(table.columns) > _FEW or any(len(name) > _WIDE for name in table.columns)
        title = f"{table.title}{', in percent' if numbered else ''}"
        yield Padding(Text(words.printable(title), style="dim"), (0, 0, 0, 2))
        for part in _numbered(table) if numbered else (_named(table),):
            yield Padding(part, (0, 0, 1, 2))
    for sentence in views.unmeasured(transfer):
        yield Padding(Text(words.printable(sentence), style="yellow"), (0, 0, 0, 2))
    yield Padding(Text(views.NOTE, style="dim"), (0, 0, 0, 2))


def _named(table: views.Table) -> Table:
    drawn = _drawn([words.printable(name) for name in table.columns])
    for name, cells in table.rows:
        drawn.add_row(Text(words.printable(name)), *cells)
    return drawn


def _numbered(table: views.Table) -> Iterator[RenderableType]:
    """The table in as many parts as it takes, side by side one below the other, and whose number is whose where names
    had to be shortened."""
    count = len(table.columns)
    parts = -(-count * _CELL // (_ROOM - _LEAST))
    across = -(-count // parts)
    number = {name: f"{place:>{len(str(count))}} " for place, name in enumerate(table.columns, 1)}
    names = {name: f"{number.get(name, '')}{words.printable(name)}" for name, _ in table.rows}
    for start in range(0, count, across):
        columns = slice(start, start + across)
        drawn = _drawn([number[name].strip() for name in table.columns[columns]])
        for name, cells in table.rows:
            bare = (cell.strip("(%)") for cell in cells[columns])
            drawn.add_row(Text(words.short(names[name], _ROOM - across * _CELL)), *bare)
        yield drawn
    if any(len(name) > _ROOM - across * _CELL for name in names.values()):
        yield Text("; ".join(names[name] for name in table.columns), style="dim")


def _drawn(columns: list[str]) -> Table:
    drawn = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0) if len(columns) <= _FEW else (0, 1))
    drawn.add_column("", no_wrap=True)
    for name in columns:
        drawn.add_column(name, justify="right", no_wrap=True, min_width=3)
    return drawn
