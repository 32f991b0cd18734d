"""Continuous batching: an attack's lanes over a stream of samples, so that every pass is full of undecided ones."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from auditor.border import Passing
from auditor.engine.attempt import Attempt, concluded, guarded
from auditor.engine.drive import drive
from auditor.engine.ledger import Ledger
from auditor.engine.view import View
from auditor.rng import Rng
from auditor.types import Goal

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.attempt import Ring, Status
    from auditor.engine.plan import Step


@dataclass(eq=False)
class Work:
    """A group of samples whose outcome is stored as one: their positions in the data, and what is known of them."""

    indices: np.ndarray
    ledger: Ledger
    done: np.ndarray = field(init=False)
    """Which of the samples the attack has seen to the end."""
    waiting: np.ndarray = field(init=False)
    """Positions of those that have no lane yet."""

    def __post_init__(self) -> None:
        self.done = np.zeros(len(self.indices), dtype=bool)
        self.wait()

    def wait(self) -> None:
        """All that are not done are to be dealt a lane, those that had one another."""
        self.waiting = np.flatnonzero(~self.done)


class _Outside(Passing):
    """Wraps what went wrong with judging or keeping a group, so that it is not taken for the attack's failure."""

    def __init__(self, error: Exception) -> None:
        self.error = error


@dataclass
class Stream:
    """Feeds the groups of `source` through the lanes of one attack and hands each to `conclude` when it is done.

    A group that was begun and not finished, because time ran out or the attack crashed, is handed over as well, with
    a status that says so.
    """

    ring: Ring
    step: Step
    capacity: int
    source: Iterator[Work]
    conclude: Callable[[Work, Attempt], None]
    _waiting: deque[Work] = field(default_factory=deque)
    _begun: list[Work] = field(default_factory=list)
    _owner: list[Work | None] = field(default_factory=list)
    _trouble: Exception | None = None
    _clock: float = field(default_factory=time.perf_counter)

    def run(self) -> tuple[Status, str]:
        """Until the source is dry or the attack ends otherwise; how it ended."""
        while True:
            try:
                ended = guarded(self._search)
                break
            except torch.OutOfMemoryError:
                if self.capacity == 1:
                    raise
                # What is done stays done, and what was on the way is dealt the same numbers when it is tried again.
                self.capacity = max(1, self.capacity // 2)
                self._owner = []
                for work in self._begun:
                    work.wait()
                self._waiting.extendleft(reversed(self._begun))
                self._begun.clear()
            except _Outside as outside:
                raise outside.error from None
        for work in [*self._begun, *(work for work in self._waiting if work.done.any())]:
            self._finish(work, ended)
        if self._trouble is not None:
            raise self._trouble
        return ended

    def _search(self) -> str:
        first = self._next()
        if first is None:
            return ""
        example = first.ledger
        # Places for lanes; an empty one is not active.
        self._pool = Ledger.open(
            example.x.new_zeros(self.capacity, *example.x.shape[1:]),
            example.y.new_zeros(self.capacity),
            self.ring.threat,
            self.ring.target.num_classes,
            self.ring.margin,
            self.ring.deadline,
            example.wanted.new_zeros(self.capacity) if example.threat.goal is Goal.TARGETED else None,
        )
        self._pool.active.fill_(False)
        self._pool.on_call, self._pool.draws = self.ring.on_call, self.ring.draws
        self._owner = [None] * self.capacity
        self._place = np.zeros(self.capacity, dtype=np.int64)
        self._rng = Rng.keyed(self.ring.seed, self.step.name, example.y.new_zeros(self.capacity))
        everyone = torch.arange(self.capacity, device=example.x.device)
        self.refill(everyone)
        view = View(self.ring.target, self._pool, self.step.attack.access)
        drive(self.step.attack, view, self.ring.searched, self._rng, self)  # type: ignore[arg-type]
        return ""

    def refill(self, rows: Tensor) -> Tensor:
        """As `drive.Feed` says."""
        filled = 0
        while filled < len(rows) and (work := self._next()) is not None:
            places, work.waiting = np.split(work.waiting, [len(rows) - filled])
            mine = rows[filled : filled + len(places)]
            self._pool.take(mine, work.ledger, torch.from_numpy(places).to(rows.device))
            keys = torch.from_numpy(work.indices[places]).to(rows.device)
            self._rng.overwrite(mine, Rng.keyed(self.ring.seed, self.step.name, keys))
            for row, place in zip(mine.tolist(), places.tolist(), strict=True):
                self._owner[row], self._place[row] = work, place
            filled += len(places)
        return rows[:filled]

    def retire(self, rows: Tensor) -> None:
        """As `drive.Feed` says."""
        owners = [self._owner[row] for row in rows.tolist()]
        for work in list(self._begun):
            at = np.array([i for i, owner in enumerate(owners) if owner is work], dtype=np.int64)
            if not len(at):
                continue
            mine = rows[torch.from_numpy(at).to(rows.device)]
            places = self._place[mine.cpu().numpy()]
            work.ledger.take(torch.from_numpy(places).to(rows.device), self._pool, mine)
            work.done[places] = True
            if work.done.all():
                self._begun.remove(work)
                try:
                    self._finish(work, ("ran", ""))
                except Exception as error:
                    raise _Outside(error) from error
        for row in rows.tolist():
            self._owner[row] = None
        self._pool.active.index_fill_(0, rows, False)

    def _next(self) -> Work | None:
        """The group that still has samples to begin."""
        if self._begun and len(self._begun[-1].waiting):
            return self._begun[-1]
        try:
            work = self._waiting.popleft() if self._waiting else next(self.source, None)
        except Exception as error:  # data that cannot be read is not the attack's failure: it is raised after it
            self._trouble, work = error, None
        if work is not None:
            self._begun.append(work)
        return work

    def _finish(self, work: Work, ended: tuple[Status, str]) -> None:
        if not work.done.all():
            self._bring_back(work)
        ring = replace(self.ring, on_call=lambda: None)
        outcome = concluded(ring, self.step, work.ledger, torch.from_numpy(work.indices), ended, self._clock)
        self._clock = time.perf_counter()
        self.conclude(work, outcome)

    def _bring_back(self, work: Work) -> None:
        """What is known of samples whose lanes were cut short."""
        rows = [row for row, owner in enumerate(self._owner) if owner is work]
        if rows:
            mine = torch.tensor(rows, device=work.ledger.x.device)
            work.ledger.take(torch.from_numpy(self._place[rows]).to(mine.device), self._pool, mine)
