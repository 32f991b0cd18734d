"""A plugin's process as ours sees it: asked, answered, watched, and stopped where it takes too much."""

from __future__ import annotations

import json
import math
import os
import select
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, TypeAlias

from auditor.entry_points import Isolation
from auditor.errors import PluginError
from auditor.isolation.channel import Channel, Nonsense
from auditor.isolation.ending import MARK, kill, new_mark, resident, signal_name

Fields: TypeAlias = dict[str, Any]

_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from auditor.isolation.child import main; "
    "main(sys.argv[2], json.loads(sys.argv[3]))"
)
_LOOK_EVERY = 0.05
_START = 300.0
"""Seconds until a process has to be there; on a busy machine, loading PyTorch takes a while."""
_GRACE = 2.0
"""Seconds after the end of time within which a plugin may still answer or ask, and is told so."""


class Lost(PluginError):
    """The plugin's process is no more. `late`: since the audit's own time was up."""

    late = False


class Over(PluginError):
    """The plugin ended its work in the middle of a question: it broke."""


class Process:
    """Started when it is first asked, and again after it was lost.

    Args:
        key: of the plugin that is loaded there; empty loads all.
    """

    def __init__(self, key: str, limits: Isolation, without: tuple[str, ...] = ()) -> None:
        self.key, self.limits, self._without = key, limits, without
        self._life: _Life | None = None

    def call(
        self,
        kind: str,
        fields: Fields,
        answer: Callable[[str, Fields, Exchange], Fields] | None = None,
        deadline: float = math.inf,
    ) -> Fields:
        """Have a piece of work done there; `answer` is for the questions that come up.

        Raises:
            Lost: the process ended, or took too much and was stopped.
            PluginError: the plugin broke.
            Exception: whatever `answer` raises ends the work, which no plugin can prevent.
        """
        life = self._life = self._life if self._life is not None and self._life.alive else self._started()
        life.begin(deadline, self.limits.seconds)
        settled = False
        try:
            kind, got = life.exchange(kind, fields)
            while kind not in _ENDS:
                if answer is None:
                    raise life.lost("asked what there is no answer to")
                try:
                    reply = answer(kind, got, life.question)
                except Over:
                    settled = True
                    raise
                except BaseException:
                    life.dismiss()
                    settled = True
                    raise
                kind, got = life.exchange("answer", reply)
            settled = True
        finally:
            if not settled:  # Nobody knows what it is at.
                self.close()
        if kind == "broke":
            raise PluginError(str(got.get("said")))
        return got

    def close(self) -> None:
        """End the process, if there is one."""
        if self._life is not None:
            self._life.end()
            self._life = None

    def _started(self) -> _Life:
        arguments = [json.dumps(sys.path), self.key, json.dumps(self._without)]
        mark = new_mark()
        try:
            popen = subprocess.Popen(
                [sys.executable, "-c", _BOOT, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                # Ctrl-C is for us to hear; and whatever it starts is ended with it.
                start_new_session=True,
                env={**os.environ, "CUDA_VISIBLE_DEVICES": "", MARK: mark},
            )
        except OSError as error:
            raise Lost(f"no process can be started for it: {error.strerror}") from error
        life = _Life(popen, self.limits, mark)
        life.begin(math.inf, _START)
        life.receive()  # It is there; what it loaded so far was ours.
        return life


Exchange: TypeAlias = Callable[[str, Fields], Fields]
_ENDS = frozenset({"done", "broke", "stopped"})


_PIPES_TELL = os.name == "posix"
"""Whether one can ask if a pipe is ready; where not, its end is waited for."""


class _Life:
    """One process, from start to end, with a thread that watches over it."""

    def __init__(self, popen: subprocess.Popen[bytes], limits: Isolation, mark: str) -> None:
        self._popen, self._limits = popen, limits
        assert popen.stdin is not None
        assert popen.stdout is not None
        if _PIPES_TELL:
            os.set_blocking(popen.stdin.fileno(), False)
        self._channel = Channel(popen.stdout, popen.stdin, partial(_wait, popen))  # type: ignore[arg-type]
        self.begin(math.inf, limits.seconds)
        self._watched = _Watched()
        self.end = weakref.finalize(self, _end, popen, mark)
        threading.Thread(target=_watch, args=(popen, self._watched, limits.memory, mark), daemon=True).start()

    @property
    def alive(self) -> bool:
        return self.end.alive and self._popen.poll() is None

    def begin(self, deadline: float, seconds: float) -> None:
        """A piece of work, or the start."""
        self._seconds = self._left = seconds
        self._deadline = deadline

    def exchange(self, kind: str, fields: Fields) -> tuple[str, Fields]:
        """Send something, and what comes back. Raises Lost."""
        with self._clock():
            self._channel.send(kind, fields)
            return self._channel.receive()

    def receive(self) -> tuple[str, Fields]:
        """What comes next. Raises Lost."""
        with self._clock():
            return self._channel.receive()

    @contextmanager
    def _clock(self) -> Iterator[None]:
        """Inside, it is its turn."""
        started = time.monotonic()
        self._watched.until = min(started + self._left, self._deadline + _GRACE)
        try:
            yield
        except (EOFError, OSError):
            raise self.lost() from None
        except Nonsense as error:
            raise self.lost(f"sent what is no message: {error}") from None
        finally:
            self._watched.until = math.inf
            self._left -= time.monotonic() - started

    def question(self, kind: str, fields: Fields) -> Fields:
        """As `exchange`, in the middle of a question of the plugin's. Raises Over where it ended instead."""
        kind, got = self.exchange(kind, fields)
        if kind in _ENDS:
            raise Over(str(got.get("said")))
        return got

    def dismiss(self) -> None:
        """Have it drop its work; where it will not, it is ended."""
        self._left, self._deadline, kind = _GRACE, math.inf, ""
        with suppress(Lost):
            while kind not in _ENDS:
                kind, _ = self.exchange("stop", {})
            return
        self.end()

    def lost(self, why: str = "") -> Lost:
        """End it; what happened to it."""
        watched = self._watched
        late = watched.why == "time" and time.monotonic() >= self._deadline
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(0.5)  # It may be about to say how it ended.
        code = self._popen.poll()
        self.end()
        if watched.why == "memory":
            why = f"took more than {self._limits.memory / 2**30:g} GiB of memory and was stopped"
        elif watched.why == "time":
            why = f"worked for more than {self._seconds:g} s and was stopped"
        elif not why and code is not None:
            why = f"was killed by {signal_name(-code)}" if code < 0 else f"ended by itself, with exit status {code}"
        error = Lost(f"its process {why or 'fell silent and was stopped'}")
        error.late = late
        return error


def _wait(popen: subprocess.Popen[bytes], stream: BinaryIO) -> None:
    """Until a stream is ready. Where the process is over, it is at its end, whoever else holds it. Raises EOFError."""
    while _PIPES_TELL:
        sides = ([], [stream]) if stream.writable() else ([stream], [])
        if any(select.select(*sides, [], 0.2)):
            return
        if popen.poll() is not None:
            raise EOFError


@dataclass
class _Watched:
    until: float = math.inf
    why: str = ""


def _watch(popen: subprocess.Popen[bytes], watched: _Watched, memory: float, mark: str) -> None:
    while popen.poll() is None:
        if time.monotonic() > watched.until:
            watched.why = "time"
        elif resident(popen.pid) > memory:
            watched.why = "memory"
        if watched.why:
            kill(popen, mark)
            return
        time.sleep(_LOOK_EVERY)
    kill(popen, mark)  # What it started outlives it otherwise.


def _end(popen: subprocess.Popen[bytes], mark: str) -> None:
    kill(popen, mark)
    for stream in (popen.stdin, popen.stdout):
        if stream is not None:
            with suppress(OSError):
                stream.close()
    with suppress(subprocess.TimeoutExpired):
        popen.wait(5.0)
