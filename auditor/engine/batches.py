"""One attack over many samples: group by group through memory limits, store, referee and memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from auditor.engine.aims import Aims
from auditor.engine.attempt import Attempt, Ring, attempt, opened
from auditor.engine.patterns import learned, pattern_file, write_pattern
from auditor.engine.standing import Break, Standing
from auditor.engine.store import batch_key
from auditor.engine.stream import Stream, Work
from auditor.events import ExamplesFound
from auditor.lanes import LaneAttack
from auditor.result.evidence import Shard
from auditor.result.record import AttackRun
from auditor.universal import UniversalAttack

if TYPE_CHECKING:
    from auditor.engine.memory import Memory
    from auditor.engine.nearest import Nearest
    from auditor.engine.plan import Step
    from auditor.engine.store import Store
    from auditor.events import Event
    from auditor.samples.base import Samples


@dataclass
class Tally:
    """What one step has done so far."""

    attacked: int = 0
    broken: int = 0
    refuted: int = 0
    unanswered: int = 0
    rescued: int = 0
    forwards: int = 0
    backwards: int = 0
    surrogate_forwards: int = 0
    surrogate_backwards: int = 0
    seconds: float = 0.0
    status: str = "ran"
    reason: str = ""


@dataclass
class Batches:
    """The samples of one target under one threat, as attacks meet them.

    `identity` is what decides outcomes besides the step and the samples: model digest, seed, versions.
    """

    ring: Ring
    samples: Samples
    labels: torch.Tensor
    store: Store
    batch_size: int
    listen: Callable[[Event], None]
    memory: Memory | Nearest
    standing: Standing
    identity: tuple[Any, ...] = ()
    seen: set[int] = field(default_factory=set)
    """Samples that the running step has seen to the end."""

    def run(self, step: Step, todo: np.ndarray, tally: Tally, progress: Callable[[int], None]) -> None:
        """Attack the samples `todo`; `tally` tells how it went, `progress` is told of passes."""
        self.seen.clear()
        ring = replace(self.ring, on_call=_Meter(progress, self.batch_size, len(todo) * step.forwards).tick)
        if isinstance(step.attack, UniversalAttack):
            attack = self._taught(ring, step.attack, step.name, todo, tally)
            if attack is None:
                return
            step = replace(step, attack=attack)
        chunks = (todo[start : start + self.batch_size] for start in range(0, len(todo), self.batch_size))
        groups = ((chunk, self._key(step, chunk)) for chunk in chunks)
        if isinstance(step.attack, LaneAttack) and step.attack.in_lanes(ring.threat):
            self._stream(ring, step, len(todo), groups, tally)
        else:
            self._one_by_one(ring, step, groups, tally)
        self.store.flush()

    def _taught(
        self, ring: Ring, attack: UniversalAttack, name: str, todo: np.ndarray, tally: Tally
    ) -> UniversalAttack | None:
        """The attack with the pattern that it learned from samples spread over those to be attacked."""
        path = pattern_file(self.store.run, ring, name)
        if path.is_file():
            return replace(attack, pattern=torch.from_numpy(np.load(path, allow_pickle=False)))
        chosen = todo[np.linspace(0, len(todo) - 1, min(attack.learn_from, len(todo))).astype(np.int64)]
        x, aims = self._fetch(chosen)
        started = time.perf_counter()
        pattern, ledger, (status, reason) = learned(ring, attack, name, x, aims, chosen)
        tally.forwards += ledger.forwards
        tally.backwards += ledger.backwards
        tally.seconds += time.perf_counter() - started
        if pattern is None:
            tally.status, tally.reason = (
                ("failed", "it ended before it had learned") if status == "ran" else (status, reason)
            )
            return None
        write_pattern(path, pattern)
        return replace(attack, pattern=pattern)

    def _one_by_one(self, ring: Ring, step: Step, groups: Iterator[tuple[np.ndarray, str]], tally: Tally) -> None:
        for chunk, key in groups:
            if time.monotonic() > ring.deadline:
                tally.status = "timed out"
                return
            known = self.store.get(key)
            if known is None:
                x, aims = self._fetch(chunk)
                outcome = _within_memory(ring, step, x, aims, chunk, self._recall(chunk, x))
                known = self._keep(chunk, key, x, outcome)
            else:
                self.memory.restore(chunk, known)
            self._apply(step, chunk, known, tally)
            if tally.status != "ran":
                return
            self.seen.update(chunk.tolist())

    def _stream(
        self, ring: Ring, step: Step, total: int, groups: Iterator[tuple[np.ndarray, str]], tally: Tally
    ) -> None:
        keys: dict[int, str] = {}

        def source() -> Iterator[Work]:
            for chunk, key in groups:
                if (known := self.store.get(key)) is not None:
                    self.memory.restore(chunk, known)
                    self._apply(step, chunk, known, tally)
                    self.seen.update(chunk.tolist())
                    continue
                x, aims = self._fetch(chunk)
                keys[int(chunk[0])] = key
                yield Work(chunk, opened(ring, x, aims, self._recall(chunk, x)))

        def conclude(work: Work, outcome: Attempt) -> None:
            chunk = work.indices
            known = self._keep(chunk, keys[int(chunk[0])], work.ledger.x, outcome)
            self._apply(step, chunk, known, tally)
            settled = work.done.copy()
            settled[outcome.unsettled.numpy()] = False
            self.seen.update(chunk[settled].tolist())

        # No more places than there are samples.
        status, reason = Stream(ring, step, min(self.batch_size, total), source(), conclude).run()
        if status != "ran":
            tally.status, tally.reason = status, reason

    def _fetch(self, chunk: np.ndarray) -> tuple[torch.Tensor, Aims]:
        device = self.ring.target.device
        return self.samples.fetch(chunk.tolist()).to(device), self.standing.clean.aims(chunk, device)

    def _recall(self, chunk: np.ndarray, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.memory.recall(chunk, self.ring.threat.origin(x))

    def _key(self, step: Step, chunk: np.ndarray) -> str:
        return batch_key(*self.identity, str(self.ring.threat), step.name, parameters(step), chunk.tolist())

    def _keep(self, chunk: np.ndarray, key: str, x: torch.Tensor, outcome: Attempt) -> dict[str, Any]:
        """Write down what came of a group; what is remembered of it when the run is resumed."""
        found = outcome.found
        index = chunk[found.rows.numpy()]
        judgement = found.judgement
        columns = (index, judgement.prediction, judgement.confidence, judgement.distance, judgement.survives_rounding)
        value = {
            "breaks": [list(row) for row in zip(*(column.tolist() for column in columns), strict=True)],
            "refuted": outcome.refuted,
            "rescued": outcome.rescued,
            "forwards": outcome.forwards,
            "backwards": outcome.backwards,
            "elsewhere": outcome.elsewhere,
            "seconds": outcome.seconds,
            "unanswered": chunk[outcome.unanswered.numpy()].tolist(),
            "blind": chunk[outcome.blind.numpy()].tolist(),
            "passes": outcome.passes.tolist(),
            "status": outcome.status,
            "reason": outcome.reason,
            **self.memory.note(chunk, self.ring.threat.origin(x), outcome.closest, outcome.closest_margin),
        }
        rows, points = found.rows, None if self.ring.threat.plain else found.points.numpy()
        labels = self.labels[index].cpu().numpy()
        shard = Shard(index, labels, x.cpu()[rows].numpy(), found.adversarial.numpy(), points)
        # What was cut short or crashed is not done: its finds are kept under another key, and it is tried again.
        kept = key if outcome.status == "ran" else batch_key(key, "cut", time.time_ns())
        self.store.put(kept, value, (self.ring.target.name, self.ring.threat), shard if len(index) else None)
        return value

    def _apply(self, step: Step, chunk: np.ndarray, known: dict[str, Any], tally: Tally) -> None:
        standing, spent = self.standing, self.standing.spent
        for index, passes in zip(chunk.tolist(), known["passes"], strict=True):
            spent[index] = spent.get(index, 0) + passes
        breaks = [replace(found, passes=spent[found.index]) for found in (Break(*row) for row in known["breaks"])]
        standing.note(step.name, breaks)
        tally.attacked += len(chunk)
        tally.broken += len(breaks)
        tally.refuted += known["refuted"]
        tally.rescued += known.get("rescued", 0)
        silent = [index for index in known["unanswered"] if index not in standing.broken_by]
        tally.unanswered += len(silent)
        standing.cut.update(silent)
        standing.looked.update(set(chunk.tolist()).difference(known["blind"]))
        standing.blind.update(known["blind"])
        tally.forwards += known["forwards"]
        tally.backwards += known["backwards"]
        tally.surrogate_forwards += known["elsewhere"][0]
        tally.surrogate_backwards += known["elsewhere"][1]
        tally.seconds += known["seconds"]
        if tally.status == "ran":
            tally.status, tally.reason = known["status"], known["reason"]
        if breaks:
            self.listen(
                ExamplesFound(
                    model=self.ring.target.name,
                    threat=self.ring.threat,
                    attack=step.name,
                    indices=tuple(item.index for item in breaks),
                )
            )


@dataclass
class _Meter:
    """Turns calls of the model into passes, about as many as there are samples in a batch."""

    progress: Callable[[int], None]
    width: int
    total: int
    passes: int = 0

    def tick(self) -> None:
        self.passes = min(self.passes + self.width, self.total)
        self.progress(self.passes)


def _within_memory(
    ring: Ring,
    step: Step,
    x: torch.Tensor,
    aims: Aims,
    chunk: np.ndarray,
    known: tuple[torch.Tensor, torch.Tensor],
) -> Attempt:
    """Attack the group; where memory runs out, in halves."""
    try:
        return attempt(ring, step, x, aims, torch.from_numpy(chunk), known)
    except torch.OutOfMemoryError:
        if len(x) == 1:
            raise
        half = len(x) // 2
    parts: Sequence[slice] = (slice(None, half), slice(half, None))
    first, second = (
        _within_memory(ring, step, x[part], aims[part], chunk[part], (known[0][part], known[1][part])) for part in parts
    )
    return first.joined(second, half)


def parameters(step: Step) -> dict[str, Any]:
    """The hyper-parameters of the attack of a step."""
    from auditor.parameters import parameters_of

    return {item.name: getattr(step.attack, item.name) for item in parameters_of(type(step.attack))}


def recorded(step: Step, tally: Tally, because: str = "") -> AttackRun:
    """What a step did, as the record holds it; `because` is the code of the check that asked for it."""
    return AttackRun(
        name=step.name,
        attack=step.attack.name,
        parameters=parameters(step),
        access=str(step.attack.access),
        paper=step.attack.paper,
        stage=step.attack.stage,
        because=because,
        **asdict(tally),
    )
