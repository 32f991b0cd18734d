"""Several questions decided together, so that the probability of answering any of them wrongly is that of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from auditor.result.statistics import Interval


@dataclass(frozen=True)
class Question:
    """Is a quantity at least `threshold`? `bounds` gives an interval for it at any confidence, nested."""

    bounds: Callable[[float], Interval]
    threshold: float


def decided_together(questions: Sequence[Question], confidence: float) -> list[Interval]:
    """An interval for each question that answers it: yes where all of it is at or above the threshold, no where all is
    below, else open. One question has its plain interval.

    Holm's procedure (1979), once over the claims "at least" and once over the claims "below", each with half the error:
    a claim that holds when all that are open share the error leaves its part to the others. The probability of any
    wrong claim is at most `1 - confidence`, however the questions depend on each other. The end of an interval that a
    claim rests on is that of the confidence at which it was made.
    """
    low = _step_down(len(questions), confidence, lambda i, at: questions[i].bounds(at)[0] >= questions[i].threshold)
    high = _step_down(len(questions), confidence, lambda i, at: questions[i].bounds(at)[1] < questions[i].threshold)
    return [(q.bounds(low[i])[0], q.bounds(high[i])[1]) for i, q in enumerate(questions)]


def _step_down(count: int, confidence: float, holds: Callable[[int, float], bool]) -> list[float]:
    """The confidence at which each claim was last looked at."""
    levels = [confidence] * count
    left = set(range(count))
    while left:
        level = 1.0 - (1.0 - confidence) / len(left)
        for i in left:
            levels[i] = level
        claimed = {i for i in left if holds(i, level)}
        if not claimed:
            break
        left -= claimed
    return levels
