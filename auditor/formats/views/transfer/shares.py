"""Shares over several cells, and which of them is the highest, as far as intervals can tell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from auditor.result.simultaneous import Question, decided_together
from auditor.result.statistics import Interval, wilson

Counts = tuple[int, int]
"""How many fell, of how many."""

_ABOVE = 1e-12


@dataclass(frozen=True)
class Share:
    """A share with its interval."""

    value: float
    interval: Interval


@dataclass(frozen=True)
class First:
    """What has the highest share, or the lowest, and what cannot be told apart from it."""

    name: str
    share: Share
    level: tuple[str, ...]
    others: int
    """How many it was compared with."""

    @property
    def settled(self) -> bool:
        """Whether it can be told apart from anything at all."""
        return len(self.level) < self.others


def pooled(cells: Sequence[Counts], confidence: float) -> Share | None:
    """The share over several cells; None where they hold no samples.

    The same samples come back in every cell, so the interval is that of one cell of mean size: it holds however the
    cells depend on each other, since a mean's standard deviation is at most the mean of standard deviations.
    """
    fell, n = sum(k for k, _ in cells), sum(n for _, n in cells)
    if not n:
        return None
    return Share(fell / n, wilson(fell / len(cells), n / len(cells), confidence))


def first(cells: Mapping[str, Sequence[Counts]], confidence: float, *, lowest: bool = False) -> First | None:
    """Which name has the highest share over its cells; None where fewer than two have any samples.

    Names are told apart by the difference of their shares, at a confidence that makes up for how many are compared.
    """
    known = {name: share for name, counts in cells.items() if (share := pooled(counts, confidence))}
    if len(known) < 2:
        return None
    sign = -1.0 if lowest else 1.0
    name = max(known, key=lambda each: sign * known[each].value)
    stricter = 1.0 - (1.0 - confidence) / (len(known) - 1)
    wide = {each: share for each in known if (share := pooled(cells[each], stricter))}
    own = wide[name]
    level = (
        each
        for each, other in wide.items()
        if each != name and (gap(own, other) if not lowest else gap(other, own))[0] <= 0.0
    )
    ranked = sorted(level, key=lambda each: -sign * known[each].value)
    return First(name, known[name], tuple(ranked), len(known) - 1)


def gap(more: Share, fewer: Share) -> Interval:
    """An interval for the difference of two shares, from theirs (Newcombe 1998, method 10).

    It takes them for independent. Shares of the same samples are not: what falls to one falls to the other more easily,
    which makes the difference more certain than this says.
    """
    down = math.hypot(more.value - more.interval[0], fewer.interval[1] - fewer.value)
    up = math.hypot(more.interval[1] - more.value, fewer.value - fewer.interval[0])
    return (more.value - fewer.value - down, more.value - fewer.value + up)


def beyond(pairs: Sequence[tuple[int, int, int]], confidence: float) -> list[bool]:
    """For each `(more, fewer, n)`, whether the first count lies above the second; decided together (Holm)."""
    questions = [Question(partial(_gap, *counts), _ABOVE) for counts in pairs]
    return [low >= _ABOVE for low, _ in decided_together(questions, confidence)]


def _gap(more: int, fewer: int, n: int, confidence: float) -> Interval:
    one, other = pooled([(more, n)], confidence), pooled([(fewer, n)], confidence)
    return (-1.0, 1.0) if one is None or other is None else gap(one, other)
