"""What is known of the samples of a batch while they are attacked: passes, answers, examples, closest points."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from auditor.engine.aims import Aims, towards
from auditor.engine.columns import Columns
from auditor.norms import MEASURED, ROUGH, per_sample, roughly
from auditor.types import Goal, Norm

if TYPE_CHECKING:
    from auditor.types import Images, Labels, Logits, Threat

_TENSORS = ("Images", "Labels", "Logits")


def _ignore() -> None:
    pass


@dataclass(kw_only=True)
class Ledger(Columns):
    """What is known of each of the N samples of a batch, shared by all views onto it."""

    x: Images
    threat: Threat
    margin: float
    best: Images
    best_margin: Tensor
    best_distance: Tensor
    """Size of `best` where the smallest change is looked for: the smallest known, from earlier attacks too."""
    active: Tensor
    wanted: Labels
    """The classes wanted; -1 without a targeted goal. With one, `y` is 0 and there are two classes: see `aims`."""
    unanswered: Tensor
    closest: Images
    closest_margin: Tensor
    misled: Tensor
    """Which rows were given a gradient with an entry that is no finite number, bool."""
    astray: Tensor
    """By how much the margin in the form that is searched with was above the twin's when the twin was last asked, in
    rows near the border; minus infinity elsewhere."""
    deadline: float = float("inf")
    draws: int = 1
    """Answers over which each question is averaged."""
    changes: int = 0
    """Grows whenever a sample may have fallen; while it stays, the same rows stand."""
    rescued: int = 0
    """Samples for which the attack met an example and returned something else."""
    elsewhere_forwards: int = 0
    """Samples through other models, for the sake of these."""
    elsewhere_backwards: int = 0
    on_call: Callable[[], None] = _ignore

    @classmethod
    def open(
        cls,
        x: Images,
        y: Labels,
        threat: Threat,
        num_classes: int,
        margin: float,
        deadline: float,
        wanted: Labels | None = None,
    ) -> Ledger:
        """A fresh ledger: nothing found, everything active."""
        n, origin = len(x), threat.origin(x)
        return cls(
            x=x,
            y=y if wanted is None else torch.zeros_like(y),
            threat=threat,
            margin=margin,
            best=origin.clone(),
            best_margin=torch.full((n,), -torch.inf, device=x.device),
            best_distance=torch.full((n,), torch.inf, dtype=torch.float64, device=x.device),
            active=torch.ones(n, dtype=torch.bool, device=x.device),
            wanted=torch.full_like(y, -1) if wanted is None else wanted,
            unanswered=torch.zeros(n, dtype=torch.bool, device=x.device),
            closest=origin.clone(),
            closest_margin=torch.full((n,), -torch.inf, device=x.device),
            misled=torch.zeros(n, dtype=torch.bool, device=x.device),
            astray=torch.full((n,), -torch.inf, device=x.device),
            _logits=torch.zeros(n, num_classes if wanted is None else 2, device=x.device),
            _last_margin=torch.zeros(n, device=x.device),
            _asked=torch.zeros(n, dtype=torch.int64, device=x.device),
            _climbed=torch.zeros(n, dtype=torch.int64, device=x.device),
            _led=torch.zeros(n, dtype=torch.bool, device=x.device),
            deadline=deadline,
        )

    def count_elsewhere(self, forwards: int, backwards: int) -> None:
        """Count passes of single samples through other models."""
        self.elsewhere_forwards += forwards
        self.elsewhere_backwards += backwards

    def take(self, rows: Tensor, other: Ledger, others: Tensor) -> None:
        """Put what another ledger knows of its rows `others` into these rows."""
        mine, theirs = self.written(), other.written()
        for name in _ROWWISE:
            getattr(mine, name).index_copy_(0, rows, getattr(theirs, name).index_select(0, others))
        self.changes += 1
        self.turn = None

    @property
    def origin(self) -> Tensor:
        """The points that change nothing; the samples themselves under a norm ball."""
        return self.threat.origin(self.x)

    @property
    def aims(self) -> Aims:
        """What counts as success."""
        return Aims(self.y, self.wanted if self.threat.goal is Goal.TARGETED else None)

    def seen(self, rows: Tensor, logits: Logits) -> Logits:
        """Answers for some rows as attacks see them: of all classes, or of the wanted one against the others."""
        return logits if self.threat.goal is not Goal.TARGETED else towards(logits, self.wanted[rows])

    def rendered(self, rows: Tensor, points: Tensor) -> Images:
        """The images that points make of the samples of some rows; differentiable."""
        return points if self.threat.plain else self.threat.render(points, self.x[rows])

    @property
    def blind(self) -> Tensor:
        """Which rows asked for gradients and never got a whole one, `(N,)` bool."""
        return self.misled & ~self.led

    @property
    def passes(self) -> Tensor:
        """Passes spent on each sample, forward and backward, `(N,)`."""
        return self.asked + self.climbed

    @property
    def forwards(self) -> int:
        """Samples that passed through the model."""
        return int(self.asked.sum())

    @property
    def backwards(self) -> int:
        """Samples whose gradient was taken."""
        return int(self.climbed.sum())

    @property
    def found(self) -> Tensor:
        """For which samples an adversarial example was found, smaller than any known before, `(N,)` bool."""
        return self.best_margin > self.margin

    def record(self, rows: Tensor, candidates: Images, logits: Logits) -> None:
        """Judge candidates for some rows and keep the most convincing ones that lie inside the threat.

        Where the smallest change is looked for, the smallest are kept, and no row is ever done with.
        """
        margin = self.note(rows, logits)
        if self.threat.minimal:
            self._keep_smallest(rows, candidates, margin)
            lost = margin.isnan()
            if margin.device.type != "cpu" or bool(lost.any()):
                self.unanswered[rows] |= lost
            return
        if _below(margin, -self.margin):
            return
        floor = self.best_margin.index_select(0, rows).clamp_min_(-self.margin)
        # Not at most, rather than above: NaN is looked at too.
        worth = (margin <= floor).logical_not_()
        # Most steps of most attacks come near nothing: then no pixel is looked at. On an accelerator, asking which
        # rows are worth a look would wait for it, so there all are looked at.
        at = worth.nonzero().squeeze(1) if worth.device.type == "cpu" else torch.arange(len(rows), device=rows.device)
        if len(at):
            self.changes += 1
            where, near, margin = rows[at], candidates[at], margin[at]
            inside = _inside(near, self.origin[where], self.threat)
            good = (margin > floor[at]) & inside
            self.best_margin[where] = torch.where(good, margin, self.best_margin[where])
            self.best[where] = torch.where(per_sample(good, near), near, self.best[where])
            self.active[where] = self.best_margin[where] <= self.margin
            self.unanswered[where] |= margin.isnan() & inside

    def to_follow(self, rows: Tensor, gradient: Tensor) -> Tensor:
        """The gradient of some rows without what nobody can follow, which must not spoil the point; in place. Rows of
        which something is lost are remembered."""
        # Most models never come further; on an accelerator, asking whether this one does would wait for it.
        if gradient.device.type == "cpu" and math.isfinite(float(gradient.sum())):
            self.turn_of(rows).led = True
            return gradient
        whole = gradient.isfinite().flatten(1).all(1)
        self.led[rows] |= whole
        self.misled[rows] |= ~whole
        return gradient.nan_to_num_(0.0, 0.0, 0.0)

    def note(self, rows: Tensor, logits: Logits) -> Tensor:
        """Write down the last answers for some rows; their margins."""
        turn = self.turn_of(rows)
        margin = margins(logits, turn.y)
        turn.last = logits, margin
        return margin

    def doubtful(self, rows: Tensor, logits: Logits, margin: Tensor, stray: float) -> Tensor:
        """Positions of those rows that may have fallen, by margins of a form of the twin that strays up to `stray`.

        Where the twin was asked not far from there, the form is taken to stray about as much as it did: by a quarter
        of `stray` more or less. The corrected margins are then noted, since those of the form may look like a fall.
        """
        turn = self.turn_of(rows)
        if not turn.strayed and _below(margin, -self.margin - stray):
            return rows[:0]
        near, astray = (margin < -self.margin - stray).logical_not_(), self.astray.index_select(0, rows)
        turn.strayed = near.device.type != "cpu" or bool(near.any())
        corrected = margin - astray
        # Not below the line, rather than above it: NaN is asked about too.
        again = (corrected < -self.margin - 0.25 * stray).logical_not_().logical_and_(near)
        self.astray.index_copy_(0, rows, astray.where(near, -torch.inf))
        turn.last = logits, torch.where(near & astray.isfinite(), corrected, margin)
        return again.nonzero().squeeze(1)

    def _keep_smallest(self, rows: Tensor, candidates: Images, margin: Tensor) -> None:
        at = margin > self.margin
        if self.threat.plain and self.threat.norm in MEASURED:
            # Searches along a border see many examples, few of which are smaller than what is known.
            size = roughly(candidates, self._x_of(rows), self.threat.norm)
            at &= size * (1.0 - ROUGH) < self.best_distance.index_select(0, rows)
        at, rows, candidates, margin = _marked(at, rows, candidates, margin)
        if not len(rows):
            return
        origin = self.origin.index_select(0, rows)
        size = self.threat.distance(candidates, origin)
        at = at & (size < self.best_distance.index_select(0, rows)) & _inside(candidates, origin, self.threat)
        everything = at.device.type == "cpu" and bool(at.all())
        for column, values in ((self.best_distance, size), (self.best_margin, margin), (self.best, candidates)):
            if not everything:
                values = torch.where(per_sample(at, values), values, column.index_select(0, rows))
            column.index_copy_(0, rows, values)

    def _x_of(self, rows: Tensor) -> Images:
        """The samples of some rows, which are copied once a turn at most."""
        turn = self.turn_of(rows)
        if turn.x is None:
            turn.x = self.x.index_select(0, rows)
        return turn.x


_ROWWISE = tuple(field.name for field in fields(Ledger) if field.type == "Tensor" or field.type in _TENSORS)


def _below(margin: Tensor, line: float) -> bool:
    """Whether all margins, of which there may be none, are known to be below the line, NaN being nowhere; on an
    accelerator, which would have to be waited for, they are not."""
    return margin.device.type == "cpu" and (not len(margin) or float(margin.amax()) < line)


def _marked(where: Tensor, *values: Tensor) -> tuple[Tensor, ...]:
    """The marks and the values of the marked rows; on an accelerator, which would have to be waited for, of all."""
    if where.device.type != "cpu":
        return where, *values
    rows = where.nonzero().squeeze(1)
    return tuple(value.index_select(0, rows) for value in (where, *values))


def _inside(candidates: Images, x: Images, threat: Threat) -> Tensor:
    """Which candidates keep to box and ball, `(N,)`; in float32, with room for its rounding. The referee is exact."""
    if not threat.plain:
        return threat.distance(candidates, x) <= threat.eps * (1.0 + 3e-6)
    boxed = (candidates.flatten(1).amin(1) >= 0.0) & (candidates.flatten(1).amax(1) <= 1.0)
    if threat.minimal:
        return boxed
    delta = (candidates - x).flatten(1)
    match threat.norm:
        case Norm.LINF:
            return boxed & (delta.abs().amax(1) <= threat.eps + 5e-7)
        case Norm.L2:
            return boxed & (delta.square().sum(1).sqrt() <= threat.eps * (1.0 + 3e-6))
        case Norm.L1:
            return boxed & (delta.abs().sum(1) <= threat.eps * (1.0 + 3e-6))
    return boxed & (threat.distance(candidates, x) <= threat.eps)


def margins(logits: Logits, y: Labels) -> Tensor:
    """Largest wrong logit less the true one, `(N,)`; above 0 the answer is wrong."""
    at = y[:, None]
    wrong = logits.scatter(1, at, -torch.inf).amax(1)
    return wrong - logits.gather(1, at).squeeze(1)
