"""The most memory that a stretch of code held, by the kernel's own account (Linux)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_OWN = Path("/proc/self")


@dataclass
class Memory:
    """MB resident when the block began, and at most until it ended; 0 where the kernel does not tell."""

    start: float = 0.0
    peak: float = 0.0

    def __enter__(self) -> Memory:
        with suppress(OSError):
            (_OWN / "clear_refs").write_text("5")  # the peak starts anew
        self.start = _status("VmRSS")
        return self

    def __exit__(self, *error: object) -> None:
        self.peak = _status("VmHWM")


def _status(field: str) -> float:
    with suppress(OSError):
        for line in (_OWN / "status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) / 1024
    return 0.0
