"""Processes that a test starts and ends: none outlives its test, whatever becomes of it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any


@contextmanager
def started(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A process that heeds Ctrl-C, even where what runs the tests was told to ignore it; killed at the latest here."""
    heeding = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, text=True, preexec_fn=heeding, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def ctrl_c(process: subprocess.Popen[str], *, again: float = 10.0, limit: float = 60.0) -> tuple[str, str]:
    """Press Ctrl-C until the process ends, every `again` seconds; what it then said on its two pipes.

    Once is not always enough: Python remembers a signal that comes in the moment before a blocking read, but raises it
    only after the read. Users press again, too.
    """
    for _ in range(max(round(limit / again), 1)):
        process.send_signal(signal.SIGINT)
        try:
            return process.communicate(timeout=again)
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError(f"Ctrl-C did not end the process within {limit:g} s")
