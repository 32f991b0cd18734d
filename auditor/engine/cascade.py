"""The cascade: each attack of the plan sees only the samples that still stand."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from auditor.engine.batches import Batches, Tally, recorded
from auditor.engine.focus import WHOLE, Focus, unpaid
from auditor.engine.outlook import outlook
from auditor.engine.suites import BORDER
from auditor.events import AttackFinished, Event, Progress, StageStarted
from auditor.result.record import NOTHING_LEFT, OVERSPENT, STOPPED

if TYPE_CHECKING:
    from auditor.engine.plan import Step
    from auditor.result.record import AttackRun


@dataclass
class Cascade:
    """Runs the plan of one target under one threat.

    Attributes:
        budget: passes that may be spent, forward and backward, over all samples.
        tolerance: the share of samples that further attacks of the kinds that have run may miss.
        confidence: of the forecast that is held against it.
    """

    batches: Batches
    listen: Callable[[Event], None]
    budget: float = math.inf
    tolerance: float = 0.0
    confidence: float = 0.95
    _focus: Focus = field(default_factory=Focus)
    _last_event: float = field(default=0.0)

    def run(self, plan: tuple[Step, ...]) -> tuple[AttackRun, ...]:
        """Every step in order; updates the standing and returns the record of each step."""
        runs: list[AttackRun] = []
        for step in plan:
            tally = self._step(step, plan, runs)
            run = recorded(step, tally)
            ring = self.batches.ring
            self.listen(AttackFinished(model=ring.target.name, threat=ring.threat, attack=run))
            runs.append(run)
        return tuple(runs)

    def _enough(self, plan: tuple[Step, ...], runs: list[AttackRun]) -> str:
        """Why no more attacks are needed; empty where they are. Only kinds that have run can be forecast."""
        kinds = {other.kind for other in plan[: len(runs)]}
        due = [later for later in plan[len(runs) :] if not later.skip and not unpaid(later, runs)]
        if not self.tolerance or any(later.kind not in kinds for later in due):
            return ""
        told = outlook(self.batches.standing, self.confidence)
        if told is None or told.high > self.tolerance:
            return ""
        return f"{STOPPED}twice the passes would break at most {told.high:.1%} more"

    def _step(self, step: Step, plan: tuple[Step, ...], runs: list[AttackRun]) -> Tally:
        tally, standing = Tally(), self.batches.standing
        todo = standing.standing()
        nothing = "" if len(todo) else NOTHING_LEFT
        if why := step.skip or nothing or unpaid(step, runs) or self._enough(plan, runs):
            tally.status, tally.reason = "skipped", why
            return tally
        if step.broken:
            tally.status, tally.reason = "failed", step.broken
            standing.cut.update(todo.tolist())
            return tally
        standing_now = len(todo)
        most = self._affordable(step, runs)
        wanted = len(self._focus.choose(step.among, todo, self.batches.memory))
        todo = self._focus.choose(step.among, todo, self.batches.memory, most)
        if step.among in WHOLE and len(todo) < wanted:  # Whom an attack on everyone left out is not evaluated.
            standing.cut.update(np.setdiff1d(standing.standing(), todo).tolist())
        if not len(todo):
            tally.status, tally.reason = "skipped", OVERSPENT
            return tally
        few = len(todo) < standing_now
        note = f"attacked the {len(todo)} of {standing_now} samples that came closest" if few else ""
        note += f", since {OVERSPENT}" if len(todo) < wanted else ""
        ring = self.batches.ring
        total = len(todo) * step.forwards
        self.listen(StageStarted(model=ring.target.name, title=f"{step.name}, {ring.threat}", total=total))
        # At the border the last digits decide.
        with ring.target.under(exact=step.among == BORDER):
            self.batches.run(step, todo, tally, lambda passes: self._progress(passes, total, tally))
        self._progress(total, total, tally, now=True)
        if tally.status == "ran":
            tally.reason = tally.reason or note
            self._focus.learn(standing)
        else:
            self._cut(tally, todo)
        return tally

    def _affordable(self, step: Step, runs: list[AttackRun]) -> float:
        """How many samples the rest of the budget lets the step attack; none once an attack had to be cut."""
        if any(OVERSPENT in run.reason for run in runs):
            return 0.0
        spent = sum(run.passes for run in runs)
        return max(0.0, self.budget - spent) / (step.forwards + step.backwards)

    def _cut(self, tally: Tally, todo: np.ndarray) -> None:
        """What this attack did not see to the end is not evaluated, never robust."""
        standing, seen = self.batches.standing, self.batches.seen
        if tally.status == "timed out":
            tally.reason = f"the time limit was reached after {len(seen)} of {len(todo)} samples"
        standing.cut.update(int(i) for i in todo if int(i) not in seen and int(i) not in standing.broken_by)

    def _progress(self, done: int, total: int, tally: Tally, *, now: bool = False) -> None:
        if now or time.monotonic() - self._last_event > 0.1:
            self._last_event = time.monotonic()
            name = self.batches.ring.target.name
            self.listen(Progress(model=name, done=min(done, total), total=total, broken=tally.broken))
