"""How a process is watched and ended, with whatever it started."""

from __future__ import annotations

import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MARK = "ISOLATED_BY_AUDITOR"
"""The variable by which what a process started is known."""
_ROUNDS = 10


def new_mark() -> str:
    """One that no other process bears."""
    return uuid.uuid4().hex


def resident(pid: int) -> float:
    """Bytes of memory that a process holds; 0 where the system does not say."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return float(pages * os.sysconf("SC_PAGE_SIZE"))


def kill(popen: subprocess.Popen[bytes], mark: str) -> None:
    """The process and all that it started, on Linux also what left its group and its parents."""
    if hasattr(os, "killpg"):
        with suppress(OSError):
            os.killpg(popen.pid, signal.SIGKILL)
    with suppress(OSError):
        popen.kill()
    for _ in range(_ROUNDS):  # One that is killed may just have started another.
        if not (left := [pid for pid in _marked(mark) if pid != popen.pid]):
            return
        for pid in left:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def _marked(mark: str) -> Iterator[int]:
    """Processes that were started with this mark in their environment, which descendants inherit; Linux tells."""
    entry = f"{MARK}={mark}".encode()
    for place in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if entry in place.read_bytes().split(b"\0"):
                yield int(place.parent.name)


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
