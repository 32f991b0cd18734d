"""How attacks travel, as `auditor scan` prints it: columns have numbers where names would not fit."""

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

_WIDE = 9
"""Characters that a column's name may take."""
_FEW = 5
"""Models of which columns may have names."""


def transfer_tables(result: Result) -> Iterator[RenderableType]:
    """What to print; nothing where nothing was measured."""
    transfer = result.transfer
    if transfer is None:
        return
    yield Text("")
    yield Text.assemble(("transfer", "bold"), ("  rows: made on, columns: tried on", "dim"))
    for table in views.tables(transfer, result.settings):
        yield Padding(Text(words.printable(table.title), style="dim"), (0, 0, 0, 2))
        yield Padding(_table(table), (0, 0, 1, 2))
    for sentence in views.unmeasured(transfer):
        yield Padding(Text(words.printable(sentence), style="yellow"), (0, 0, 0, 2))
    yield Padding(Text(views.NOTE, style="dim"), (0, 0, 0, 2))


def _table(table: views.Table) -> Table:
    numbered = len(table.columns) > _FEW or any(len(name) > _WIDE for name in table.columns)
    number = {name: f"{place} " for place, name in enumerate(table.columns, 1)} if numbered else {}
    drawn = Table(box=None, pad_edge=False)
    drawn.add_column("", overflow="fold")
    for name in table.columns:
        drawn.add_column(number.get(name, words.printable(name)).strip(), justify="right", no_wrap=True)
    for name, cells in table.rows:
        drawn.add_row(Text(number.get(name, "") + words.printable(name)), *cells)
    return drawn
