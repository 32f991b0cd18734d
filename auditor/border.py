"""The border between auditor and the code of others: what gets out of it, and what is put back as it was.

Python can hold back whatever a plugin raises, and undo what it turns in the process around it. It cannot hold back
`os._exit`, a crash of native code, an endless loop or all memory taken: for these there is `--isolate`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType
from typing import Any

from auditor.errors import AuditorError, PluginError

_LONGEST = 1000
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Passing(BaseException):
    """Raised by the engine to end a plugin's work: no plugin that catches `Exception` takes it for an error."""


@contextmanager
def foreign() -> Iterator[None]:
    """Inside, the code of others runs.

    What it prints goes to stderr; directory, signal handlers, threads, default type and gradient mode are put back
    afterwards. A Ctrl-C counts, even where it is swallowed; pressed once more inside, it ends the process.

    Raises:
        PluginError: it asked to leave the process, or raised what is no `Exception`. Any `Exception` passes as it is.
    """
    pressed: list[int] = []
    with ExitStack() as stack:
        ours = _signals_kept(stack, pressed)
        for keep in (_directory_kept, _streams_kept, _torch_kept):
            keep(stack)
        try:
            yield
        except (Exception, Passing):
            raise
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and (pressed or not ours):
                raise
            raise PluginError(said(error)) from error
        finally:
            if pressed:
                raise KeyboardInterrupt


def said(error: BaseException) -> str:
    """What an exception of others says, in a text that is not too long; errors for the user speak for themselves."""
    try:
        text = str(error)
    except BaseException:  # whoever breaks may break here too
        text = "it cannot say why"
    text = text if isinstance(error, AuditorError) else f"{type(error).__name__}: {text}"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"


def _signals_kept(stack: ExitStack, pressed: list[int]) -> bool:
    """Whether a Ctrl-C can be told from a plugin that raises the like."""
    if threading.current_thread() is not threading.main_thread():
        return True  # Only the main thread hears of signals.
    before: dict[int, Any] = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in before.items():
        if handler is not None:  # One that Python did not set cannot be set again.
            stack.callback(signal.signal, number, handler)
    previous = before[signal.SIGINT]
    if not callable(previous):  # Ignored, as in the background, it never comes; as the system has it, it ends all.
        return previous is not None

    def press(number: int, frame: FrameType | None) -> None:
        if pressed:  # The first one was swallowed. What is done is on disk.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        pressed.append(number)
        previous(number, frame)

    signal.signal(signal.SIGINT, press)
    return True


def _directory_kept(stack: ExitStack) -> None:
    with suppress(OSError):  # There may be none any more.
        here = os.getcwd()
        stack.callback(_back, here)


def _back(place: str) -> None:
    with suppress(OSError):
        if os.getcwd() == place:
            return
    with suppress(OSError):
        os.chdir(place)


class _Aside:
    """stderr, which nobody can close."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def close(self) -> None:
        """Left open: it is not the plugin's."""


def _streams_kept(stack: ExitStack) -> None:
    stack.callback(setattr, sys, "stdout", sys.stdout)
    stack.callback(setattr, sys, "stderr", sys.stderr)
    sys.stdout = sys.stderr = _Aside(sys.stderr)


def _torch_kept(stack: ExitStack) -> None:
    if (torch := sys.modules.get("torch")) is None:
        return
    put_back: tuple[tuple[Callable[[], Any], Callable[[Any], Any]], ...] = (
        (torch.get_num_threads, torch.set_num_threads),
        (torch.get_default_dtype, torch.set_default_dtype),
        (torch.is_grad_enabled, torch.set_grad_enabled),
        (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
        (torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms),
    )
    for look, put in put_back:
        stack.callback(_unless, look, put, look())


def _unless(look: Callable[[], Any], put: Callable[[Any], Any], value: Any) -> None:
    if look() != value:
        put(value)
