"""Accuracy class by class: a good mean can hide a class that always falls."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from auditor.result.samples_csv import Row
from auditor.result.smallest import smallest
from auditor.result.statistics import Interval, wilson


@dataclass(frozen=True)
class ClassLine:
    """One true class under one threat; all counts are samples of that class."""

    label: int
    n: int
    correct: int
    robust: int
    broken: int
    not_evaluated: int
    interval: Interval
    """Of `upper`, at the run's confidence."""

    @property
    def clean(self) -> float:
        """Share of the class's samples that are classified correctly."""
        return self.correct / self.n

    @property
    def upper(self) -> float:
        """Share not shown to be broken: the robust accuracy, where every sample was evaluated."""
        return (self.robust + self.not_evaluated) / self.n


@dataclass(frozen=True)
class ClassTable:
    """All classes that have samples, the weakest first, and how far the weakest lies below the mean."""

    lines: tuple[ClassLine, ...]
    mean: float
    """Over all samples."""
    confidence: float

    @property
    def worst(self) -> ClassLine:
        """The class with the lowest robust accuracy."""
        return self.lines[0]

    @property
    def gap(self) -> float:
        """How far the worst class lies below the mean."""
        return self.mean - self.worst.upper

    @property
    def gap_may_be_chance(self) -> bool:
        """Whether the mean lies inside the worst class's own interval: too few samples to tell."""
        return self.worst.interval[1] >= self.mean


def per_class(rows: Sequence[Row], confidence: float) -> ClassTable | None:
    """The table of one model and threat; None without rows."""
    if not rows:
        return None
    outcomes: dict[int, Counter[str]] = {}
    correct: Counter[int] = Counter()
    for row in rows:
        outcomes.setdefault(row.label, Counter())[row.outcome] += 1
        correct[row.label] += row.clean_correct
    lines = [_line(label, seen, correct[label], confidence) for label, seen in outcomes.items()]
    mean = sum(line.robust + line.not_evaluated for line in lines) / len(rows)
    return ClassTable(tuple(sorted(lines, key=lambda line: (line.upper, -line.n, line.label))), mean, confidence)


@dataclass(frozen=True)
class SizeLine:
    """One true class whose smallest changes were looked for; `n` are its samples."""

    label: int
    n: int
    correct: int
    found: int
    median: float
    """Of the sizes for the `correct`; infinite where nothing was found for half of them."""
    interval: tuple[float | None, float | None]
    """Of the median; None stands for an end that is not known."""


def medians(rows: Sequence[Row], confidence: float) -> tuple[SizeLine, ...]:
    """The classes of one model and threat by the median of their smallest changes, the smallest first.

    Classes of which no sample is classified correctly have no median and are left out; so are samples that were not
    evaluated.
    """
    sizes: dict[int, list[float]] = {}
    counts: Counter[int] = Counter(row.label for row in rows)
    for row in rows:
        if row.clean_correct and row.outcome != "not_evaluated":
            fell = row.outcome == "broken" and row.distance is not None
            sizes.setdefault(row.label, []).append(row.distance or 0.0 if fell else math.inf)
    lines = [_sizes(label, counts[label], known, confidence) for label, known in sizes.items()]
    return tuple(sorted(lines, key=lambda line: (line.median, -line.n, line.label)))


def _sizes(label: int, n: int, sizes: list[float], confidence: float) -> SizeLine:
    known = smallest(sizes, 0, confidence)
    median = math.inf if known.median is None else known.median
    return SizeLine(label, n, len(sizes), known.found, median, known.median_interval)


def _line(label: int, seen: Counter[str], correct: int, confidence: float) -> ClassLine:
    n, robust, unknown = seen.total(), seen["robust"], seen["not_evaluated"]
    bounds = wilson(robust + unknown, n, confidence)
    return ClassLine(label, n, correct, robust, seen["broken"], unknown, bounds)
