"""How training goes: a bar where the output is a terminal, and a line for every epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from auditor.harden.progress import Progress


@contextmanager
def training(console: Console, *, quiet: bool) -> Iterator[Callable[[Progress, int, int], None]]:
    """A listener for the trainer."""
    if quiet:
        yield lambda progress, done, total: None
        return
    from rich.status import Status

    said = 0

    with Status("reading", console=console) as status:

        def listen(progress: Progress, done: int, total: int) -> None:
            nonlocal said
            while said < len(progress.history):
                console.print(_line(progress, said), highlight=False, soft_wrap=True)
                said += 1
            if progress.done and done == total:
                status.stop()
            else:
                status.update(f"epoch {progress.epoch + 1} of {progress.epochs}: {done} of {total} batches")

        yield listen


def _line(progress: Progress, number: int) -> str:
    epoch = progress.history[number]
    what = f"epoch {epoch.number:>3} of {progress.epochs}" if epoch.number else "as it was       "
    left = sum(e.seconds for e in progress.history[-1:]) * (progress.epochs - epoch.number)
    loss = f"loss {epoch.loss:.3f}, {left / 60.0:.0f} min left" if epoch.number else ""
    return f"{what}  clean {epoch.score.clean:6.1%}  robust {epoch.score.robust:6.1%}  {loss}".rstrip()
