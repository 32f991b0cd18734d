"""The cascade: each attack of the plan sees only the samples that still stand."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from auditor.engine.attempt import Attempt, Ring, attempt
from auditor.engine.referee import fools_in_8bit
from auditor.engine.standing import Break, Standing
from auditor.engine.store import batch_key
from auditor.events import AttackFinished, Event, ExamplesFound, Progress, StageStarted
from auditor.result.evidence import Shard
from auditor.result.record import INHERITED, NOTHING_LEFT, AttackRun

if TYPE_CHECKING:
    from auditor.engine.plan import Step
    from auditor.engine.store import Store
    from auditor.samples.base import Samples
    from auditor.target.base import Target
    from auditor.types import Threat


@dataclass
class Tally:
    """What one step has done so far."""

    attacked: int = 0
    broken: int = 0
    refuted: int = 0
    unanswered: int = 0
    forwards: int = 0
    backwards: int = 0
    seconds: float = 0.0
    status: str = "ran"
    reason: str = ""


@dataclass
class Cascade:
    """Runs the plan of one target under one threat."""

    ring: Ring
    samples: Samples
    labels: torch.Tensor
    store: Store
    batch_size: int
    listen: Callable[[Event], None]
    identity: tuple[Any, ...] = ()
    """What decides outcomes besides the step and the samples: model digest, seed, versions."""
    _last_event: float = field(default=0.0)

    def run(self, plan: tuple[Step, ...], standing: Standing) -> tuple[AttackRun, ...]:
        """Every step in order; updates `standing` and returns the record of each step."""
        runs = []
        for step in plan:
            tally = self._step(step, standing)
            run = AttackRun(
                name=step.name,
                attack=step.attack.name,
                parameters=_parameters(step),
                access=str(step.attack.access),
                paper=step.attack.paper,
                **asdict(tally),
            )
            self.listen(AttackFinished(model=self.ring.target.name, threat=self.ring.threat, attack=run))
            runs.append(run)
        return tuple(runs)

    def _step(self, step: Step, standing: Standing) -> Tally:
        tally = Tally()
        if step.skip:
            tally.status, tally.reason = "skipped", step.skip
            return tally
        todo = standing.standing()
        if not len(todo):
            tally.status, tally.reason = "skipped", NOTHING_LEFT
            return tally
        if step.broken:
            tally.status, tally.reason = "failed", step.broken
            self._cut(tally, standing, todo, 0)
            return tally
        title = f"{step.name}, {self.ring.threat}"
        total = len(todo) * step.forwards
        self.listen(StageStarted(model=self.ring.target.name, title=title, total=total))
        done = 0
        for chunk in self._chunks(todo):
            if time.monotonic() > self.ring.deadline:
                tally.status = "timed out"
                self._cut(tally, standing, todo, done)
                break
            begun = done
            tick = partial(self._tick, done * total // len(todo), total, tally)
            self._batch(step, chunk, standing, tally, tick)
            done += len(chunk)
            self._progress(done * total // len(todo), total, tally, now=True)
            if tally.status != "ran":
                self._cut(tally, standing, todo, begun)
                break
        self.store.flush()
        return tally

    def _chunks(self, todo: np.ndarray) -> Iterator[np.ndarray]:
        for start in range(0, len(todo), self.batch_size):
            yield todo[start : start + self.batch_size]

    def _cut(self, tally: Tally, standing: Standing, todo: np.ndarray, done: int) -> None:
        """From the `done`-th sample on, this attack did not look to the end: they are not evaluated, never robust."""
        if tally.status == "timed out":
            tally.reason = f"the time limit was reached after {done} of {len(todo)} samples"
        standing.cut.update(int(i) for i in todo[done:] if int(i) not in standing.broken_by)

    def _batch(
        self, step: Step, chunk: np.ndarray, standing: Standing, tally: Tally, tick: Callable[[int], None]
    ) -> None:
        threat = self.ring.threat
        key = batch_key(*self.identity, str(threat), step.name, _parameters(step), chunk.tolist())
        known = self.store.get(key)
        if known is None:
            known = self._attempt(step, chunk, key, tick)
        breaks = [Break(*values) for values in known["breaks"]]
        standing.note(step.name, breaks)
        tally.attacked += len(chunk)
        tally.broken += len(breaks)
        tally.refuted += known["refuted"]
        silent = [index for index in known["unanswered"] if index not in standing.broken_by]
        tally.unanswered += len(silent)
        standing.cut.update(silent)
        tally.forwards += known["forwards"]
        tally.backwards += known["backwards"]
        tally.seconds += known["seconds"]
        tally.status, tally.reason = known["status"], known["reason"]
        if breaks:
            indices = tuple(item.index for item in breaks)
            self.listen(ExamplesFound(model=self.ring.target.name, threat=threat, attack=step.name, indices=indices))

    def _attempt(self, step: Step, chunk: np.ndarray, key: str, tick: Callable[[int], None]) -> dict[str, Any]:
        x = self.samples.fetch(chunk.tolist())
        y = self.labels[chunk]
        outcome = self._within_memory(step, x, y, chunk, tick)
        found = outcome.found
        index = chunk[found.rows.numpy()]
        judgement = found.judgement
        columns = (index, judgement.prediction, judgement.confidence, judgement.distance, judgement.survives_rounding)
        value = {
            "breaks": [list(row) for row in zip(*(column.tolist() for column in columns), strict=True)],
            "refuted": outcome.refuted,
            "forwards": outcome.forwards,
            "backwards": outcome.backwards,
            "seconds": outcome.seconds,
            "unanswered": chunk[outcome.unanswered.numpy()].tolist(),
            "status": outcome.status,
            "reason": outcome.reason,
        }
        shard = Shard(index, y[found.rows].numpy(), x[found.rows].numpy(), found.adversarial.numpy())
        # What was cut short or crashed is not done: its finds are kept under another key, and it is tried again.
        kept = key if outcome.status == "ran" else batch_key(key, "cut", time.time_ns())
        place = (self.ring.target.name, self.ring.threat)
        self.store.put(kept, value, place, shard if len(index) else None)
        return value

    def _within_memory(
        self, step: Step, x: torch.Tensor, y: torch.Tensor, chunk: np.ndarray, tick: Callable[[int], None]
    ) -> Attempt:
        """Attack the batch; where memory runs out, in halves."""
        device = self.ring.target.device
        calls = [0]

        def on_call() -> None:
            calls[0] += len(x)
            tick(calls[0])

        try:
            ring = replace(self.ring, on_call=on_call)
            return attempt(ring, step, x.to(device), y.to(device), torch.from_numpy(chunk))
        except torch.OutOfMemoryError:
            if len(x) == 1:
                raise
            half = len(x) // 2
        first = self._within_memory(step, x[:half], y[:half], chunk[:half], tick)
        second = self._within_memory(step, x[half:], y[half:], chunk[half:], tick)
        return first.joined(second, half)

    def _tick(self, base: int, total: int, tally: Tally, passes: int) -> None:
        self._progress(base + passes, total, tally)

    def _progress(self, done: int, total: int, tally: Tally, *, now: bool = False) -> None:
        if now or time.monotonic() - self._last_event > 0.1:
            self._last_event = time.monotonic()
            self.listen(Progress(model=self.ring.target.name, done=min(done, total), total=total, broken=tally.broken))


def _parameters(step: Step) -> dict[str, Any]:
    from auditor.parameters import parameters_of

    return {item.name: getattr(step.attack, item.name) for item in parameters_of(type(step.attack))}


def inherit(smaller: Standing, standing: Standing) -> AttackRun:
    """A smaller budget's success counts for every larger one: take it over at no cost."""
    todo = set(standing.standing().tolist())
    taken = [found for index, (_, found) in smaller.broken_by.items() if index in todo]
    standing.note(INHERITED, taken)
    return AttackRun(
        name=INHERITED,
        parameters={},
        status="ran",
        reason="examples found within a smaller budget of the same norm",
        attacked=len(todo),
        broken=len(taken),
        seconds=0.0,
        forwards=0,
        backwards=0,
    )


def round_again(standing: Standing, shards: Iterable[Shard], target: Target, threat: Threat) -> None:
    """Ask again of inherited examples that died by rounding: a larger budget has room for 8-bit images that live."""
    fragile = {index for index, (_, found) in standing.broken_by.items() if not found.survives_rounding}
    for shard in shards:
        mine = np.flatnonzero(np.isin(shard.index, list(fragile)))
        if not len(mine):
            continue
        x, candidates, y = (
            torch.from_numpy(values[mine]).to(target.device)
            for values in (shard.original, shard.adversarial, shard.label)
        )
        fools = fools_in_8bit(target, x, candidates, y, threat).cpu().numpy()
        for index in shard.index[mine[fools]].tolist():
            by, found = standing.broken_by[index]
            standing.broken_by[index] = (by, replace(found, survives_rounding=True))
            fragile.discard(index)
