"""What was done to a sample, in words, where its image was rendered from parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_LEAST = 0.05
"""Degrees and pixels below this are not worth a word."""


def done(norm: str, points: np.ndarray, settings: Mapping[str, Any]) -> str:
    """What the points of one example do; empty for threats whose points are images."""
    if norm == "spatial" and points.shape == (3,):
        turn, right, down = points.tolist()
        return moved(turn, right, down, settings)
    if norm == "flow" and points.ndim == 3 and len(points) == 2:
        return flowed(points)
    if norm == "corruption" and points.shape == (3,):
        return corrupted(int(points[0]), int(points[1]))
    return ""


def moved(turn: float, right: float, down: float, settings: Mapping[str, Any]) -> str:
    """`turned 12.0° clockwise, shifted 2.0 px right and 1.0 px up`, from shares of the run's limits."""
    degrees, pixels = float(settings.get("rotation", 30.0)), float(settings.get("translation", 3.0))
    turned = f"turned {abs(turn) * degrees:.1f}° {'clockwise' if turn > 0 else 'counter-clockwise'}"
    ways = ((right * pixels, "right", "left"), (down * pixels, "down", "up"))
    shifts = [f"{abs(way):.1f} px {there if way > 0 else back}" for way, there, back in ways if abs(way) >= _LEAST]
    said = [turned] if abs(turn) * degrees >= _LEAST else []
    said += [f"shifted {' and '.join(shifts)}"] if shifts else []
    return ", ".join(said) or "hardly moved"


def flowed(points: np.ndarray) -> str:
    """`pixels come from 0.4 px away on average, 1.0 px at most`, from `(2, H, W)`."""
    import numpy as np

    ways = np.hypot(points[0], points[1])
    return f"pixels come from {float(ways.mean()):.2f} px away on average, {float(ways.max()):.2f} px at most"


def corrupted(number: int, severity: int) -> str:
    """`fog, severity 3`; nothing for a number that names no corruption."""
    from auditor.corruptions.space import name_of

    try:
        return f"{name_of(number).replace('_', ' ')}, severity {severity}" if number > 0 else ""
    except IndexError:
        return ""
