"""Progress bars with passes left and time left, where the output is a terminal; nothing elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from auditor.events import Event, Progress, StageStarted

if TYPE_CHECKING:
    from rich.console import Console


@contextmanager
def progress(console: Console, *, quiet: bool) -> Iterator[Callable[[Event], None]]:
    """A listener that shows the stage at hand."""
    if quiet or not console.is_terminal:
        yield lambda event: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("passes"),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[note]}"),
    )
    with Bars(*columns, console=console, transient=True) as bars:
        task = bars.add_task("loading", total=None, note="")

        def listen(event: Event) -> None:
            match event:
                case StageStarted():
                    title = f"{event.model}: {event.title}"
                    bars.reset(task, description=title, total=event.total or None, note="")
                case Progress():
                    note = f"{event.broken} fell" if event.broken else ""
                    bars.update(task, completed=event.done, total=event.total, note=note)
                case _:
                    pass

        yield listen
