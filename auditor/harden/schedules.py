"""How the learning rate and the budget change along the way, which is a share from 0 to 1."""

from __future__ import annotations

import math

_PEAK = 0.4


def rate(schedule: str, progress: float) -> float:
    """The learning rate as a share of the largest. Sources: `cyclic` arXiv:2001.03994, `piecewise` arXiv:2002.11569."""
    match schedule:
        case "cyclic":
            return progress / _PEAK if progress < _PEAK else (1.0 - progress) / (1.0 - _PEAK)
        case "piecewise":
            return 1.0 if progress < 0.5 else 0.1 if progress < 0.75 else 0.01
        case "cosine":
            return 0.5 * (1.0 + math.cos(math.pi * progress))
    return 1.0


def budget(warmup: float, progress: float) -> float:
    """The budget as a share of the largest: it rises evenly along the first `warmup`."""
    return 1.0 if progress >= warmup else progress / warmup
