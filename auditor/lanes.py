"""Attacks as lanes: one search per sample and goal, each with its own step counter, step size and state.

A lane that has succeeded leaves at once, and the engine fills its place with the next sample, so that every pass
through the model is full of samples that are still undecided. See `auditor.engine.drive` for how they are run.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor

from auditor.attack import Attack
from auditor.norms import per_sample

if TYPE_CHECKING:
    from auditor.engine.view import Gradient, Loss, View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat


@dataclass(kw_only=True)
class Lanes:
    """The state of L searches: every field has a row per lane. Attacks add fields of their own in a subclass.

    Attributes:
        x: `(L, …)` clean samples.  y: `(L,)` their labels.
        goal: `(L,)` which of its attack's goals (restarts, target classes) a lane pursues, from 0.
        step: `(L,)` questions asked for this goal so far; the engine counts.
        rng: a stream of random numbers per sample; draw from `rng.at(goal, step)` only, since lanes are at
            different places and what one is dealt must not depend on the others.
        point: `(L, …)` what the model is to be asked next.
        closest: `(L, …)` the point inside the threat with the largest margin that is known, from earlier attacks
            too; the sample itself where none is.  margin: `(L,)` that margin, negative until the sample falls.
    """

    x: Images
    y: Labels
    goal: Tensor
    step: Tensor
    rng: Rng
    point: Images
    closest: Images
    margin: Tensor

    @classmethod
    def of(cls, begun: Lanes, **more: Any) -> Self:
        """Lanes of this class that begin where `begun` does, with further fields."""
        known = {field.name: getattr(begun, field.name) for field in fields(Lanes)}
        return cls(**(known | more))

    def select(self, rows: Tensor) -> Self:
        """Some of the lanes, `rows` being indices."""
        return type(self)(**{field.name: _rows(getattr(self, field.name), rows) for field in fields(self)})

    def first(self, count: int) -> Self:
        """The first so many lanes; what they hold is not copied."""
        return type(self)(**{field.name: _first(getattr(self, field.name), count) for field in fields(self)})

    def overwrite(self, rows: Tensor, fresh: Lanes) -> None:
        """Put as many fresh lanes into these places."""
        for field in fields(self):
            mine, theirs = getattr(self, field.name), getattr(fresh, field.name)
            mine.index_copy_(0, rows, theirs) if isinstance(mine, Tensor) else mine.overwrite(rows, theirs)

    def inside(self, threat: Threat) -> Tensor | None:
        """Which points lie inside the threat, `(L,)` bool; None where all do, as those of most attacks."""
        return None

    def note(self, better: Tensor, margin: Tensor) -> None:
        """The points that were just asked about came closer than any before in the lanes `better`, `(L,)` bool."""
        put(self.closest, better, self.point)
        self.margin = torch.where(better, margin, self.margin)


def _rows(value: Any, rows: Tensor) -> Any:
    return value.index_select(0, rows) if isinstance(value, Tensor) else value.select(rows)


def _first(value: Any, count: int) -> Any:
    return value[:count] if isinstance(value, Tensor) else value.select(torch.arange(count))


def put(into: Tensor, where: Tensor, values: Tensor) -> None:
    """Overwrite the rows of `into` that are marked in `where`, `(L,)` bool, with those of `values`.

    On the CPU only rows that change are moved, or where most do, those that do not; an accelerator would have to be
    waited for to know which they are, so there all are.
    """
    if into.device.type == "cpu":
        rows = where.nonzero().squeeze(1)
        if 2 * len(rows) <= len(into):
            if len(rows):
                into.index_copy_(0, rows, values.index_select(0, rows))
            return
        # Moving single rows costs several times what copying all of them in one go does.
        others = where.logical_not().nonzero().squeeze(1)
        kept = into.index_select(0, others)
        into.copy_(values).index_copy_(0, others, kept)
        return
    torch.where(per_sample(where, into), values, into, out=into)


class LaneAttack(Attack):
    """An attack that says how one step of a search goes, for many lanes at once, and leaves the rest to the engine.

    A lane pursues its goals one after the other, asks `asks` questions for each, and the last point of a goal is
    judged by the engine for the price of one more forward pass. `perturb` is given.
    """

    @abstractmethod
    def asks(self, num_classes: int) -> tuple[int, int]:
        """How many goals a sample has, and how many questions are asked for each, both at least 0."""

    @abstractmethod
    def begin(self, target: View, begun: Lanes, threat: Threat, earlier: Any) -> Lanes:
        """The state at the start of a goal, with `point` set to what is asked first.

        Args:
            target: the model, seen for these lanes alone, for attacks that look around before they begin.
            begun: the lanes, with `step` 0 and their goals; its tensors may be kept and changed.
            threat: norm, radius and goal.
            earlier: the state of these lanes at the end of the goal before; None where this is the first.
        """

    @abstractmethod
    def advance(self, lanes: Any, answer: Gradient, threat: Threat) -> None:
        """Learn from the answer at `lanes.point` and set the next one, in place, for every lane by itself.

        `answer.gradient` and `answer.loss` are meaningless (empty) for attacks whose access is not `gradients`.
        """

    def objective(self, lanes: Any) -> Loss:
        """What attacks with gradients raise; may hold tensors with a row per lane."""
        raise NotImplementedError(f"{type(self).__name__} declares access to gradients and names no loss.")

    def in_lanes(self, threat: Threat) -> bool:
        """Whether it runs as lanes under this threat; where not, `perturb` is its own."""
        return True

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        """All lanes side by side, without new ones for those that leave."""
        from auditor.engine.drive import drive

        return drive(self, target, threat, rng).closest
