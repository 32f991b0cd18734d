"""A whole command in a process of its own, watched by this one."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from auditor.errors import PluginError
from auditor.isolation.ending import MARK, kill, new_mark, resident, signal_name

_BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); from auditor.__main__ import main; main()"
_LOOK_EVERY = 0.1
_CODES = frozenset({0, 1, 2, 3, 4, 130})


def inside() -> bool:
    """Whether this is such a process."""
    return MARK in os.environ


def run_apart(
    arguments: Sequence[str], folder: Path, done: Path, seconds: float = math.inf, memory: float = math.inf
) -> int:
    """The exit code of `auditor ARGUMENTS`, run in a process of its own that reads and prints as this one does.

    Args:
        folder: which the command writes to; after so many `seconds` without a change in it, it is stopped.
        done: what is there anew when the command came to its end.
        memory: bytes that its process may hold; only Linux tells us how many they are.

    Raises:
        PluginError: it was killed, took too much, or ended before it was done.
    """
    mark, before, heard = new_mark(), _changed(done), time.monotonic()
    command = [sys.executable, "-c", _BOOT, json.dumps(sys.path), *arguments]
    seen, why = _newest(folder), ""
    with subprocess.Popen(command, env={**os.environ, MARK: mark}) as popen:
        while popen.poll() is None:
            try:
                time.sleep(_LOOK_EVERY)
            except KeyboardInterrupt:  # It hears of that too, and says what is to be said.
                continue
            if seconds < math.inf and (newest := _newest(folder)) != seen:
                seen, heard = newest, time.monotonic()
            if resident(popen.pid) > memory:
                why = f"took more than {memory / 2**30:g} GiB of memory and was stopped"
            elif time.monotonic() - heard > seconds:
                why = f"wrote nothing for {seconds:g} s and was stopped"
            if why:
                kill(popen, mark)
        code = popen.wait()
        kill(popen, mark)
    if not why and code < 0:
        why = f"was killed by {signal_name(-code)}"
    elif not why and (code not in _CODES or (code in (0, 1, 3) and _changed(done) == before)):
        why = f"ended by itself, with exit status {code}"
    if why:
        raise PluginError(f"Its process {why}. What was done is safe: go on with --resume, or without that plugin.")
    return code


def _changed(path: Path) -> int:
    """When a file was last written; 0 where there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _newest(folder: Path) -> int:
    return max(map(_changed, folder.rglob("*")), default=0)
