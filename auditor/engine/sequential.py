"""Samples audited block by block in a random order, until the outcome of the gate is certain (`--sequential`).

Each block goes through the whole suite before the next begins, so every sample that was begun is as done with as in any
other scan, and the share that stands among the first n is that of n random samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from auditor.engine.focus import Focus
from auditor.result.anytime import anytime
from auditor.result.measures import SequentialResult
from auditor.result.record import INHERITED, OVERSPENT, AttackRun
from auditor.rng import Rng

if TYPE_CHECKING:
    from auditor.engine.cascade import Cascade
    from auditor.engine.plan import Step
    from auditor.engine.standing import Standing
    from auditor.settings import Settings

_FIRST = 32
_GROWTH = 4
"""A block is at least a quarter of what was audited before: looking more often saves less than it costs."""
_RANDOM = "order of a sequential scan"
_COUNTS = (
    "attacked",
    "broken",
    "refuted",
    "unanswered",
    "forwards",
    "backwards",
    "surrogate_forwards",
    "surrogate_backwards",
    "seconds",
)


@dataclass(frozen=True)
class Rule:
    """When enough was seen of one threat: its gate decided, at its share of the error of all gates."""

    threshold: float
    confidence: float

    @classmethod
    def of(cls, settings: Settings) -> Rule:
        """The rule for each of the gates that the settings ask for."""
        assert settings.min_robust_accuracy is not None
        budgets = sum(not np.isinf(threat.eps) for threat in settings.threats)
        gates = len(settings.models) * (budgets + (settings.min_clean_accuracy is not None))
        return cls(settings.min_robust_accuracy, 1.0 - (1.0 - settings.confidence) / gates)

    def certain(self, robust: int, unknown: int, n: int) -> bool:
        """Whether the gate is decided by `n` samples, of which some stand and some are not known."""
        low, high = anytime(robust + unknown, n, self.confidence)
        return high < self.threshold or (not unknown and low >= self.threshold)


def order_of(n: int, seed: int) -> np.ndarray:
    """The positions of `n` samples in a random order that the seed alone decides."""
    drawn = Rng.keyed(seed, _RANDOM, torch.arange(n)).integers(2**31)
    order: np.ndarray = np.argsort(drawn.numpy(), kind="stable")
    return order


def blocks(n: int) -> Iterator[slice]:
    """Stretches of the order, each at least a quarter of all before it."""
    done = 0
    while done < n:
        end = min(n, done + max(_FIRST, done // _GROWTH))
        yield slice(done, end)
        done = end


def in_blocks(cascade: Cascade, plan: tuple[Step, ...], settings: Settings) -> tuple[AttackRun, ...]:
    """Run the plan on block after block until the rule is certain, time has run out, or all samples were audited.

    Afterwards the standing knows who was audited; who was not is cut, so not evaluated, also where a smaller budget has
    an example: who fell to one would else be known of all samples, and who stands of those that were audited.
    """
    standing, rule = cascade.batches.standing, Rule.of(settings)
    n = len(standing.clean.labels)
    order = order_of(n, settings.seed)
    audited = np.zeros(n, dtype=bool)
    done: list[tuple[AttackRun, ...]] = []
    for stretch in blocks(n):
        standing.among = np.zeros(n, dtype=bool)
        standing.among[order[stretch]] = audited[order[stretch]] = True
        part = replace(cascade, budget=cascade.budget * float(standing.among.mean()), _focus=Focus())
        done.append(part.run(plan))
        standing.among = audited
        spared = sum(run.broken for runs in done for run in runs if run.stage != "stable")
        robust, unknown = counted(standing)
        late = any(run.status == "timed out" for run in done[-1])
        if late or rule.certain(robust + spared, unknown, int(audited.sum())):
            break
    for index in np.flatnonzero(~audited & standing.clean.correct).tolist():
        standing.broken_by.pop(index, None)
        standing.cut.add(index)
    return tuple(map(_together, zip(*done, strict=True)))


def counted(standing: Standing) -> tuple[int, int]:
    """How many of the audited samples are robust, and how many not evaluated."""
    outcomes = [standing.outcome(i) for i in standing.audited.tolist()]
    return outcomes.count("robust"), outcomes.count("not_evaluated")


def told(standing: Standing, confidence: float) -> SequentialResult | None:
    """How far a sequential scan went; None for one that was none."""
    if standing.among is None:
        return None
    robust, unknown = counted(standing)
    audited = standing.audited
    return SequentialResult(
        audited=len(audited),
        of=len(standing.clean.labels),
        right=int(standing.clean.correct[audited].sum()),
        robust=robust,
        not_evaluated=unknown,
        interval=anytime(robust + unknown, len(audited), confidence),
    )


def of_audited(runs: Sequence[AttackRun], standing: Standing) -> tuple[AttackRun, ...]:
    """The runs, with what smaller budgets broke counted over the samples that were audited."""
    attacked = int(standing.clean.attackable[standing.audited].sum())
    broken = sum(by == INHERITED for by, _ in standing.broken_by.values())
    counts = {"attacked": attacked, "broken": broken}
    return tuple(run.model_copy(update=counts) if run.name == INHERITED else run for run in runs)


def _together(runs: Sequence[AttackRun]) -> AttackRun:
    """What one step did in all blocks."""
    statuses = [run.status for run in runs]
    status = next((s for s in ("failed", "timed out", "ran") if s in statuses), "skipped")
    first = next(run for run in runs if run.status == status)
    cut = next((run.reason for run in runs if OVERSPENT in run.reason), first.reason)
    ran = statuses.count("ran")
    reason = cut if status != "ran" or OVERSPENT in cut else f"in {ran} of {len(runs)} blocks of samples"
    sums = {name: sum(getattr(run, name) for run in runs) for name in _COUNTS}
    return first.model_copy(update={**sums, "reason": reason})
