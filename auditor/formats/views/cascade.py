"""The cascade as a reader sees it: who still stood before and after each attack, and what that cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from auditor.result.record import AttackRun
from auditor.result.samples_csv import Row


@dataclass(frozen=True)
class Step:
    """One attack of a threat: `before` and `after` are correctly classified samples that nothing had broken."""

    run: AttackRun
    before: int
    after: int

    @property
    def share_broken(self) -> float | None:
        """Of the samples that it attacked, the share that it broke; None where it attacked none."""
        return self.run.broken / self.run.attacked if self.run.attacked else None

    @property
    def passes(self) -> int:
        """Samples through the model, forwards and backwards."""
        return self.run.forwards + self.run.backwards

    @property
    def passes_per_break(self) -> float | None:
        """What one broken sample cost; None where nothing was broken."""
        return self.passes / self.run.broken if self.run.broken else None


def cascade(runs: Iterable[AttackRun], correct: int) -> tuple[Step, ...]:
    """The steps in order, from the `correct` samples that the model classifies rightly when nobody attacks."""
    steps, standing = [], correct
    for run in runs:
        after = max(0, standing - run.broken)
        steps.append(Step(run, standing, after))
        standing = after
    return tuple(steps)


def not_run(steps: Iterable[Step]) -> str:
    """Which attacks had nothing to do, and why, as one sentence; empty where all had."""
    reasons: dict[str, list[str]] = {}
    for step in steps:
        if step.run.needless:
            reasons.setdefault(step.run.reason, []).append(step.run.name)
    told = "; ".join(f"{', '.join(names)} ({reason})" for reason, names in reasons.items())
    return f"Not run: {told}." if told else ""


def counted(rows: Iterable[Row]) -> Counter[str]:
    """For how many samples of one threat each attack's example is what counts in the end.

    Where the smallest changes were looked for, that is the smallest of all.
    """
    return Counter(row.broken_by for row in rows if row.outcome == "broken")
