"""Passes that may never end: a graph with a Loop may repeat it for ever, in ONNX Runtime as in its twin."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from torch.overrides import TorchFunctionMode

from auditor.errors import ModelError

SECONDS = 60.0
"""How long one pass through a graph with a Loop may take."""


class TooLong(ModelError):
    """A pass was stopped."""


class Deadline(TorchFunctionMode):
    """Within it, PyTorch operations raise TooLong once `seconds` have passed; of graphs that run in Python."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds, self._end = seconds, time.monotonic() + seconds

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if time.monotonic() > self._end:
            raise too_long(self._seconds)
        return function(*args, **(kwargs or {}))


def too_long(seconds: float) -> TooLong:
    """The error for a pass that was stopped after so many seconds."""
    return TooLong(
        f"One pass took longer than {seconds:g} s and was stopped; its Loop may never end. "
        "Export the model with a bound on how often the Loop repeats."
    )
