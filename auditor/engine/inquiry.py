"""One threat's search, open to checks: what its attacks did, and further attacks that settle a doubt.

Whatever a check finds within the threat is counted like any other example: a doubt that was right makes the number
better. What it tries under other conditions (a larger budget, another network) is not counted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from auditor.engine.batches import Tally, recorded
from auditor.engine.plan import make_plan
from auditor.engine.trial import Trial, joined, nothing, tried
from auditor.events import AttackFinished, StageStarted
from auditor.result.record import NOTHING_LEFT, OVERSPENT
from auditor.types import Goal

if TYPE_CHECKING:
    from auditor.attack import Attack
    from auditor.engine.batches import Batches
    from auditor.engine.plan import Step
    from auditor.engine.standing import Standing
    from auditor.engine.surrogates.attack import FromSurrogates
    from auditor.result.record import AttackRun
    from auditor.target.base import Target
    from auditor.target.nearby import Nearby
    from auditor.target.through import Past
    from auditor.types import Images, Labels, Threat

SHARE = 0.1
"""Of the passes that the suite spent, checks spend at most this share while nothing is doubted."""
FLOOR = 50 * 64.0
"""Where attacks were chosen by name, and in a smoke test, they may always spend this many: one that does nothing costs
nothing either."""
NOT_ALLOWED = "--no-escalation"
LATE = "the time limit was reached"
PATIENCE = 8_000.0
"""Passes for each sample that stood when the first check asked, that one check spends at most on settling a doubt: room
for gradients that lead, for the climbs of the standard suite along them, and for two searches of 2,000 queries, one of
them twice as long."""
LIMITED = "what a check may spend on a doubt was spent"


@dataclass
class Inquiry:
    """What checks see of one threat, and do about it.

    Attributes:
        runs: what each attack did, those that checks asked for included.
        make: sets an attack up by name and parameters, or raises UsageError where it is not installed.
        budget: passes that may be spent on all samples, the suite's included.
        escalation: whether doubts may be settled by further attacks.
        limit: passes that one check may spend on settling a doubt.
        least: passes that all checks together may spend in any case, however few the attacks spent.
        surrogates: attacks by way of the models that stand in for this one.
    """

    batches: Batches
    runs: list[AttackRun]
    make: Callable[[str, Mapping[str, Any]], Attack]
    listen: Callable[[Any], None] = lambda event: None
    budget: float = math.inf
    escalation: bool = True
    limit: float = math.inf
    least: float = FLOOR
    surrogates: tuple[FromSurrogates, ...] = ()
    code: str = ""
    doubts: list[str] = field(default_factory=list)
    tried: list[AttackRun] = field(default_factory=list)
    evidence: dict[str, Any] = field(default_factory=dict)
    forwards: int = 0
    backwards: int = 0
    _allowance: float = 0.0
    _beside: int = 0
    """Passes of trials, and of checks' own, which no run tells of."""

    @property
    def spent(self) -> int:
        """All passes under this threat so far, those of trials included."""
        return sum(run.passes for run in self.runs) + self._beside

    @property
    def threat(self) -> Threat:
        return self.batches.ring.threat

    @property
    def target(self) -> Target:
        return self.batches.ring.target

    @property
    def found(self) -> Standing:
        """What is known of every sample."""
        return self.batches.standing

    @property
    def total(self) -> int:
        """All samples that were audited, those that are misclassified included."""
        return len(self.found.audited)

    @property
    def standing(self) -> np.ndarray:
        """Positions of the samples that no attack broke, ascending."""
        return self.found.standing()

    @property
    def correct(self) -> np.ndarray:
        """Positions of the samples that are worth attacking, broken ones included, ascending."""
        return np.intersect1d(np.flatnonzero(self.found.clean.attackable), self.found.audited)

    def broken_by(self, *attacks: str) -> np.ndarray:
        """Positions of the samples that attacks of these names (`pgd`, not `pgd-ce#2`) broke first, ascending."""
        names = {run.name for run in self.runs if run.attack in attacks}
        return np.array(sorted(i for i, (by, _) in self.found.broken_by.items() if by in names), dtype=np.int64)

    def closest(self, count: int) -> np.ndarray:
        """Those of the standing samples that came closest to an example, at most `count`, ascending."""
        return self._closest(self.standing, count)

    def _closest(self, among: np.ndarray, count: int) -> np.ndarray:
        order = np.argsort(-self.batches.memory.eaten(among), kind="stable")
        return np.sort(among[order[:count]])

    def room(self, each: int, most: int = 64) -> int:
        """How many samples, at most `most`, the check's share of passes buys at `each` a sample; `most` of them where
        something is doubted already."""
        own = (self.limit if self.doubts else self._allowance) - self.forwards - self.backwards
        left = max(0.0, min(own, self.budget - self.spent))
        return most if math.isinf(left) else int(min(most, left // max(1, each)))

    def affordable(self, among: np.ndarray, each: int, most: int = 64) -> np.ndarray:
        """As many of these samples, evenly spread, as there is room for."""
        count = self.room(each, min(most, len(among)))
        return among[np.linspace(0, len(among) - 1, count).astype(np.int64)] if count else among[:0]

    def cost(self, name: str, **parameters: Any) -> int:
        """Passes that an attack spends on a sample that withstands it, forward and backward, draw by draw."""
        attack, rank = self.make(name, parameters), len(self.batches.samples.shape)
        (step,) = make_plan([attack], self.target, self.threat, rank)
        return (step.forwards + step.backwards) * self.batches.ring.draws

    def doubt(self, said: str) -> None:
        """Say what is doubted. From here on the check may spend what it takes to settle it."""
        self.doubts.append(said)

    def show(self, **numbers: Any) -> None:
        """Keep what was measured for the record; `plot=` takes what `auditor.check.plot` makes."""
        self.evidence.update(numbers)

    def fetch(self, on: np.ndarray) -> tuple[Images, Labels]:
        """These samples and their labels, on the target's device."""
        x, aims = self.batches.samples.fetch(on.tolist()), self.found.clean.aims(on, self.target.device)
        return x.to(self.target.device), aims.y

    def spend(self, forwards: int, backwards: int = 0) -> None:
        """Count passes of single samples that a check made itself."""
        self._beside += forwards + backwards
        self._count(forwards, backwards)

    def _count(self, forwards: int, backwards: int) -> None:
        self.forwards += forwards
        self.backwards += backwards

    def attack(
        self,
        name: str | Attack,
        on: np.ndarray | None = None,
        *,
        draws: int | None = None,
        exact: bool = False,
        through: Past | None = None,
        near: Nearby | None = None,
        within: float = 1.0,
        **parameters: Any,
    ) -> AttackRun:
        """Run an attack on standing samples (all of them by default); what it breaks is counted. Where the limit on
        settling doubts leaves room for fewer, those that came closest are attacked.

        Args:
            name: of an installed attack, or the attack itself; further arguments are its parameters.
            on: positions of samples; those that have fallen meanwhile are spared.
            draws: answers over which each question is averaged; as the settings say by default.
            exact: search in float32, whatever cheaper form was chosen.
            through: what gradients pass as if it were not there; as the settings say by default.
            near: the neighbourhood over which gradients are averaged.
            within: the share of the budget that is searched.
        """
        todo = self.standing if on is None else np.intersect1d(on, self.standing)
        step = self._step(self.make(name, parameters) if isinstance(name, str) else name)
        each = (step.forwards + step.backwards) * (draws or self.batches.ring.draws) * (near.points if near else 1)
        wanted, todo = len(todo), self._within_limit(todo, each)
        tally = Tally(status="skipped", reason=self._forbidden(step, wanted, len(todo), each))
        if not tally.reason:
            tally.status = "ran"
            conditions = (draws, exact, through, near, within)
            ring = replace(self.batches.ring, draws=draws or self.batches.ring.draws, within=within)
            batches = replace(self.batches, ring=ring, identity=(*self.batches.identity, *conditions))
            title = f"{self.code}: {step.name}, {self.threat}"
            self.listen(StageStarted(model=self.target.name, title=title, total=len(todo) * step.forwards))
            with self.target.under(exact=exact, through=through, near=near):
                batches.run(step, todo, tally, lambda passes: None)
        run = recorded(step, tally, self.code)
        self.listen(AttackFinished(model=self.target.name, threat=self.threat, attack=run))
        self._count(run.forwards + run.surrogate_forwards, run.backwards + run.surrogate_backwards)
        self.runs.append(run)
        self.tried.append(run)
        return run

    def trial(
        self,
        name: str | Attack,
        on: np.ndarray,
        *,
        threat: Threat | None = None,
        target: Target | None = None,
        labels: Labels | None = None,
        wanted: Labels | None = None,
        draws: int | None = None,
        exact: bool = False,
        through: Past | None = None,
        near: Nearby | None = None,
        keep: bool = False,
        **parameters: Any,
    ) -> Trial:
        """Run an attack under other conditions on any samples, fallen ones too; only its passes are counted.

        Args:
            name: of an installed attack, or the attack itself.
            target: another network to attack, with `labels` `(n,)` of its own if need be.
            wanted: the classes that alone are a success, `(n,)`, none of them a label.
            exact, through, near: as for `attack`.
            keep: hand over the examples too. A resumed run makes such a trial again.
        """
        ring = self.batches.ring
        threat = threat or ring.threat
        threat = threat if wanted is None else replace(threat, goal=Goal.TARGETED)
        ring = replace(ring, threat=threat, target=target or ring.target, draws=draws or ring.draws)
        attack = self.make(name, parameters) if isinstance(name, str) else name
        (step,) = make_plan([attack], ring.target, ring.threat, len(self.batches.samples.shape))
        each = (step.forwards + step.backwards) * ring.draws * (near.points if near else 1)
        if (why := step.skip or step.broken or self._too_late(len(on) * each)) or not len(on):
            return nothing(len(on), why)
        parts = []
        for at in range(0, len(on), self.batches.batch_size):
            part = slice(at, at + self.batches.batch_size)
            with ring.target.under(exact=exact, through=through, near=near):
                said = tuple(None if classes is None else classes[part] for classes in (labels, wanted))
                parts.append(tried(self, ring, step, on[part], said, (exact, near), keep=keep))
        self.batches.store.flush()
        return joined(parts)

    def _step(self, attack: Attack) -> Step:
        """The attack as a step of the plan, under a name of its own."""
        (step,) = make_plan([attack], self.target, self.threat, len(self.batches.samples.shape))
        taken = {run.name for run in self.runs}
        names = (step.name if i == 1 else f"{step.name}#{i}" for i in range(1, len(taken) + 2))
        return replace(step, name=next(name for name in names if name not in taken))

    def _within_limit(self, todo: np.ndarray, each: int) -> np.ndarray:
        """Of these samples those that the limit leaves room for, the closest first."""
        left = max(0.0, self.limit - self.forwards - self.backwards)
        return todo if len(todo) * each <= left else self._closest(todo, int(left // each))

    def _forbidden(self, step: Step, wanted: int, count: int, each: int) -> str:
        """Why the attack does not run on `count` of the samples `wanted`; empty where it does."""
        if why := step.skip or step.broken:
            return why
        if not self.escalation:
            return NOT_ALLOWED
        if not count:
            return LIMITED if wanted else NOTHING_LEFT
        return self._too_late(count * each)

    def _too_late(self, passes: int) -> str:
        """Why so many more passes are not made; empty where there is time, and they are left."""
        if time.monotonic() > self.batches.ring.deadline:
            return LATE
        return OVERSPENT if self.spent + passes > self.budget else ""

    def begin(self, code: str, allowance: float) -> None:
        """The next check asks."""
        self.code, self._allowance = code, allowance
        self.doubts, self.tried, self.evidence = [], [], {}
        self.forwards = self.backwards = 0
