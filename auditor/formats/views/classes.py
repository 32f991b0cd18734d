"""Accuracy class by class: a good mean can hide a class that always falls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from auditor.result.samples_csv import Row
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


def _line(label: int, seen: Counter[str], correct: int, confidence: float) -> ClassLine:
    n, robust, unknown = seen.total(), seen["robust"], seen["not_evaluated"]
    bounds = wilson(robust + unknown, n, confidence)
    return ClassLine(label, n, correct, robust, seen["broken"], unknown, bounds)
