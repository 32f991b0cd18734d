"""When samples fell: what a search leaves behind, where it is stored, and the places it can be foretold from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

STORED = Path(__file__).parent / "falls.json"
FIRST = 32.0
"""Passes from which on a search is foretold."""


@dataclass(frozen=True)
class Falls:
    """What one search found.

    Attributes:
        fit: whether constants may be chosen on this network.
        n, right: samples, and how many of them the network got right.
        fell: passes spent on each sample that fell, when it fell, ascending.
        phases: the attacks in order, with the passes spent on a sample that stood at the end of each.
    """

    network: str
    fit: bool
    norm: str
    eps: float
    search: str
    n: int
    right: int
    fell: tuple[int, ...]
    phases: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Point:
    """A place in a search: what was known at `spent` passes, and what twice the passes brought.

    `changed` says whether an attack began meanwhile that had not been tried before.
    """

    falls: Falls
    spent: int
    fell: tuple[int, ...]
    standing: int
    truth: int
    changed: bool


def points(falls: Falls) -> Iterator[Point]:
    """Places a factor of the root of two apart, as far as the search saw twice the passes."""
    end, begun, start = falls.phases[-1][1], set[str](), 0
    begins = []
    for label, stop in falls.phases:
        if label not in begun:
            begins.append(start)
        begun.add(label)
        start = stop
    spent = FIRST
    while 2 * spent <= end:
        fell = tuple(passes for passes in falls.fell if passes <= spent)
        truth = sum(spent < passes <= 2 * spent for passes in falls.fell)
        changed = any(spent <= begin < 2 * spent for begin in begins)
        yield Point(falls, round(spent), fell, falls.right - len(fell), truth, changed)
        spent *= 2**0.5


def stored() -> tuple[Falls, ...]:
    """The fall times that were kept."""
    if not STORED.exists():
        return ()
    return tuple(Falls(**one) for one in json.loads(STORED.read_text(encoding="utf-8")))


def keep(falls: Falls) -> None:
    """Store what a search found, in place of what the same search found before."""
    same = (falls.network, falls.norm, falls.eps, falls.search)
    others = [one for one in stored() if (one.network, one.norm, one.eps, one.search) != same]
    lines = ",\n".join(json.dumps(asdict(one)) for one in [*others, falls])
    STORED.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
