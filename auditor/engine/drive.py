"""Runs an attack's lanes: asks, lets them advance, and fills the places of those that are done."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from auditor.engine.view import LOOK_EVERY, Gradient
from auditor.lanes import Lanes
from auditor.types import Access

if TYPE_CHECKING:
    from auditor.engine.view import View
    from auditor.lanes import LaneAttack
    from auditor.rng import Rng
    from auditor.types import Images, Threat


class Result(NamedTuple):
    """For every row of the view the nearest point to an example that is known, `(N, …)`, and its margin, `(N,)`."""

    closest: Images
    margin: Tensor


class Feed(Protocol):
    """Where samples come from, and where they go when their lanes are done. Rows are rows of the view."""

    def retire(self, rows: Tensor) -> None:
        """The samples in these rows are done; their places are free."""

    def refill(self, rows: Tensor) -> Tensor:
        """Put waiting samples into free rows; the first so many of `rows` that were filled."""


class _Nobody:
    def retire(self, rows: Tensor) -> None:
        pass

    def refill(self, rows: Tensor) -> Tensor:
        return rows[:0]


def drive(attack: LaneAttack, view: View, threat: Threat, rng: Rng, feed: Feed | None = None) -> Result:
    """Run the lanes of all rows of the view to their end, and of whatever `feed` puts into their places.

    Args:
        rng: streams of the samples in the rows; where `feed` replaces samples, it overwrites their streams here.

    Raises:
        OutOfTime: the time limit is reached.
    """
    pool = _Pool(attack, view.unending(), threat, rng, feed or _Nobody())
    with torch.no_grad():
        pool.run()
    return Result(view.closest, view.closest_margin)


class _Pool:
    """`_rows[i]` is the row of the view in which lane `i` has its sample; `_steps`, `_goals` mirror the lanes' own."""

    def __init__(self, attack: LaneAttack, view: View, threat: Threat, rng: Rng, feed: Feed) -> None:
        self._attack, self._view, self._threat, self._rng, self._feed = attack, view, threat, rng, feed
        self._count, self._asks = attack.asks(view.num_classes)
        everyone = view.active.nonzero().squeeze(1)
        self._calls, self._seen = 0, -1
        self._rows, self._part = everyone, view.select(everyone)
        self._goals = self._steps = np.zeros(len(everyone), dtype=np.int64)
        self._lanes = self._begun(everyone, self._goals, None)

    def run(self) -> None:
        while len(self._rows):
            over = self._steps >= self._asks
            if over.any():
                self._judge(over)
            if not self._replace(over):
                self._step()

    def _step(self) -> None:
        lanes, attack = self._lanes, self._attack
        if attack.access is Access.GRADIENTS:
            answer = self._part.gradient(lanes.point, lanes.y, attack.objective(lanes))
        else:
            logits = self._part.logits(lanes.point)
            answer = Gradient(logits.new_empty(0), logits.new_empty(0), logits, self._part.last_margin)
        self._note(lanes, answer.margin)
        attack.advance(lanes, answer, self._threat)
        lanes.step += 1
        self._steps = self._steps + 1

    def _judge(self, over: np.ndarray) -> None:
        """One forward pass for the last point of every goal that is over."""
        at = self._index(over)
        last, part = self._lanes.select(at), self._part.select(at)
        self._view.note_lost(self._rows[at], last.point)
        part.logits(last.point)
        self._note(last, part.last_margin)
        self._lanes.closest.index_copy_(0, at, last.closest)
        self._lanes.margin.index_copy_(0, at, last.margin)

    def _note(self, lanes: Lanes, margin: Tensor) -> None:
        """Remember the points just asked about where they are the closest so far, inside the threat."""
        inside, better = lanes.inside(self._threat), margin > lanes.margin
        lanes.note(better if inside is None else better & inside, margin)

    def _replace(self, over: np.ndarray) -> bool:
        """Begin the next goal or the next sample where a lane ended. Whether there is to be another look first."""
        self._calls += 1
        look = self._part.device.type == "cpu" or self._calls % LOOK_EVERY == 1
        if not over.any() and not (look and self._seen != self._view.changes):
            return False
        self._seen = self._view.changes
        fell = ~self._part.active.cpu().numpy()
        done = fell | (over & (self._goals + 1 >= self._count))
        again = over & ~done
        if not (done.any() or again.any()):
            return False
        at = self._index(done | again)
        self._view.note_closest(self._rows[at], self._lanes.closest[at], self._lanes.margin[at])
        keep = ~done
        if again.any():
            self._begin(again, self._goals[again] + 1, self._lanes.select(self._index(again)))
        if done.any():
            free = self._rows[self._index(done)]
            self._feed.retire(free)
            filled = np.zeros_like(done)
            filled[np.flatnonzero(done)[: len(self._feed.refill(free))]] = True
            if filled.any():
                self._begin(filled, np.zeros(filled.sum(), dtype=np.int64), None)
            keep |= filled
        if not keep.all():
            self._compact(keep)
        return True

    def _begin(self, where: np.ndarray, goals: np.ndarray, earlier: Lanes | None) -> None:
        at = self._index(where)
        self._lanes.overwrite(at, self._begun(self._rows[at], goals, earlier))
        self._steps, self._goals = np.where(where, 0, self._steps), self._goals.copy()
        self._goals[where] = goals
        self._part = self._view.select(self._rows)

    def _compact(self, keep: np.ndarray) -> None:
        """Close the ranks: lanes from the end move into the places of those that leave, so that few are moved."""
        left = int(keep.sum())
        holes, movers = np.flatnonzero(~keep[:left]), left + np.flatnonzero(keep[left:])
        if len(holes):
            at = torch.from_numpy(movers).to(self._rows.device)
            self._lanes.overwrite(torch.from_numpy(holes).to(at.device), self._lanes.select(at))
        order = np.arange(left)
        order[holes] = movers
        self._lanes, self._rows = self._lanes.first(left), self._rows[torch.from_numpy(order).to(self._rows.device)]
        self._steps, self._goals = self._steps[order], self._goals[order]
        self._part = self._view.select(self._rows)

    def _begun(self, rows: Tensor, goals: np.ndarray, earlier: Lanes | None) -> Lanes:
        """Fresh lanes for the samples in these rows."""
        part = self._view.select(rows)
        goal = torch.from_numpy(goals).to(rows.device)
        begun = Lanes(
            x=part.x,
            y=part.y,
            goal=goal,
            step=torch.zeros_like(goal),
            rng=self._rng.select(rows),
            point=part.x.clone(),
            closest=part.closest,
            margin=part.closest_margin,
        )
        return self._attack.begin(part, begun, self._threat, earlier)

    def _index(self, mask: np.ndarray) -> Tensor:
        return torch.from_numpy(np.flatnonzero(mask)).to(self._rows.device)
