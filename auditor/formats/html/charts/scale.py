"""What the charts over budgets share: the drawing area, and where labels have room."""

from __future__ import annotations

from collections.abc import Sequence

HEIGHT = 240
WIDTH = 1000
"""The drawing area's own width; it is stretched to the page's."""
ROOM = 14.0
"""Labels stand at least so far apart, in percent of the width: on a phone that is about 45 pixels."""


def y_of(share: float) -> float:
    """Where a share lies, in pixels from the top."""
    return HEIGHT * (1.0 - share)


def anchor(x: float, margin: float = 4.0) -> str:
    """How a label at `x` percent is anchored, so that it stays inside."""
    return "start" if x < margin else "end" if x > 100.0 - margin else "middle"


def spaced(places: Sequence[float], room: float = ROOM) -> set[int]:
    """Which of the ascending `places` can carry a label: the first, the last, and from the right what has room."""
    kept = {0, len(places) - 1}
    last = places[-1]
    for position in range(len(places) - 2, 0, -1):
        if last - places[position] >= room and places[position] - places[0] >= room:
            kept.add(position)
            last = places[position]
    return kept
