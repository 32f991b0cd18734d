"""The target as an attack sees it.

Every question an attack asks goes through a `View`. It answers as far as the attack's access allows, counts the
passes, remembers the best adversarial example seen for each sample, spares those already broken (a row that fell
costs no further pass; its last answer is repeated), and ends the attack when all fell or the time is up. Attacks
need not know any of this.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import torch
from torch import Tensor

from auditor.errors import PluginError
from auditor.norms import per_sample
from auditor.types import Access, Norm

if TYPE_CHECKING:
    from auditor.target.base import Target
    from auditor.types import Images, Labels, Logits, Threat

Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Logits `(N, K)` and labels `(N,)` to a loss per sample `(N,)`, which attacks raise."""


class Finished(Exception):
    """Nothing is left to attack: every sample fell. Let it pass; the engine catches it."""


class OutOfTime(Exception):
    """The time limit is reached. Let it pass; the engine catches it."""


class Gradient(NamedTuple):
    """Loss `(N,)`, its gradient with respect to `x` `(N, …)`, and the logits `(N, K)` it was computed from."""

    loss: Tensor
    gradient: Tensor
    logits: Tensor


_LOOK_EVERY = 8
_TENSORS = ("Images", "Labels", "Logits")


def _ignore() -> None:
    pass


@dataclass
class Ledger:
    """What is known of each of the N samples of a batch, shared by all views onto it."""

    x: Images
    y: Labels
    threat: Threat
    margin: float
    best: Images
    best_margin: Tensor
    active: Tensor
    logits: Logits
    unanswered: Tensor
    closest: Images
    closest_margin: Tensor
    asked: Tensor
    climbed: Tensor
    deadline: float = float("inf")
    changes: int = 0
    """Grows whenever a sample may have fallen; while it stays, the same rows stand."""
    on_call: Callable[[], None] = _ignore

    @classmethod
    def open(cls, x: Images, y: Labels, threat: Threat, num_classes: int, margin: float, deadline: float) -> Ledger:
        """A fresh ledger: nothing found, everything active."""
        n = len(x)
        return cls(
            x=x,
            y=y,
            threat=threat,
            margin=margin,
            best=x.clone(),
            best_margin=torch.full((n,), -torch.inf, device=x.device),
            active=torch.ones(n, dtype=torch.bool, device=x.device),
            logits=torch.zeros(n, num_classes, device=x.device),
            unanswered=torch.zeros(n, dtype=torch.bool, device=x.device),
            closest=x.clone(),
            closest_margin=torch.full((n,), -torch.inf, device=x.device),
            asked=torch.zeros(n, dtype=torch.int64, device=x.device),
            climbed=torch.zeros(n, dtype=torch.int64, device=x.device),
            deadline=deadline,
        )

    def take(self, rows: Tensor, other: Ledger, others: Tensor) -> None:
        """Put what another ledger knows of its rows `others` into these rows."""
        for name in _ROWWISE:
            getattr(self, name).index_copy_(0, rows, getattr(other, name).index_select(0, others))
        self.changes += 1

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
        """Which samples have an adversarial example, `(N,)` bool."""
        return self.best_margin > self.margin

    def record(self, rows: Tensor, candidates: Images, logits: Logits) -> None:
        """Judge candidates for some rows and keep the most convincing ones that lie inside the threat."""
        margin = margins(logits, self.y.index_select(0, rows))
        silent = margin.isnan()
        better = margin > self.best_margin.index_select(0, rows).clamp_min(-self.margin)
        # Most steps of most attacks come near nothing: then no pixel is looked at. On an accelerator, asking which
        # rows are worth a look would wait for it, so there all are looked at.
        worth = better | silent
        at = worth.nonzero().squeeze(1) if worth.device.type == "cpu" else torch.arange(len(rows), device=rows.device)
        if len(at):
            self.changes += 1
            where, near = rows[at], candidates[at]
            inside = _inside(near, self.x[where], self.threat)
            good = better[at] & inside
            self.best_margin[where] = torch.where(good, margin[at], self.best_margin[where])
            self.best[where] = torch.where(per_sample(good, near), near, self.best[where])
            self.active[where] = self.best_margin[where] <= self.margin
            self.unanswered[where] |= silent[at] & inside
        self.logits.index_copy_(0, rows, logits)


_ROWWISE = tuple(field.name for field in fields(Ledger) if field.type == "Tensor" or field.type in _TENSORS)


def _inside(candidates: Images, x: Images, threat: Threat) -> Tensor:
    """Which candidates keep to box and ball, `(N,)`; in float32, with room for its rounding. The referee is exact."""
    boxed = (candidates.flatten(1).amin(1) >= 0.0) & (candidates.flatten(1).amax(1) <= 1.0)
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
    true = logits.gather(1, y[:, None]).squeeze(1)
    wrong = logits.scatter(1, y[:, None], -torch.inf).amax(1)
    return wrong - true


class View:
    """A batch of N samples of one target, seen with one kind of access.

    Shapes: `x` is `(N, …)`, labels `(N,)`. All rows may be passed at every call; rows that already fell are not run.
    """

    def __init__(
        self, target: Target, ledger: Ledger, access: Access, rows: Tensor | None = None, *, ends: bool = True
    ) -> None:
        self._target = target
        self._ledger = ledger
        self._access = access
        self._rows = torch.arange(len(ledger.x), device=ledger.x.device) if rows is None else rows
        self._standing_rows = torch.arange(len(self._rows), device=ledger.x.device)
        self._calls, self._seen, self._ends = 0, -1, ends

    @property
    def num_classes(self) -> int:
        return self._target.num_classes

    @property
    def active(self) -> Tensor:
        """Which of the rows are still standing, `(N,)` bool."""
        return self._ledger.active[self._rows]

    @property
    def device(self) -> torch.device:
        """Where samples are."""
        return self._ledger.x.device

    @property
    def x(self) -> Images:
        """A copy of the clean samples, `(N, …)`."""
        return self._ledger.x[self._rows]

    @property
    def y(self) -> Labels:
        """A copy of their labels, `(N,)`."""
        return self._ledger.y[self._rows]

    @property
    def closest(self) -> Images:
        """The points inside the threat that came closest to an example so far, `(N, …)`, by earlier attacks of the
        suite and by earlier goals of this one; the samples themselves where none is known."""
        return self._ledger.closest[self._rows]

    @property
    def closest_margin(self) -> Tensor:
        """Their margins, `(N,)`; minus infinity where none is known."""
        return self._ledger.closest_margin[self._rows]

    def note_closest(self, rows: Tensor, points: Images, margin: Tensor) -> None:
        """Remember points inside the threat for some rows, if they are closer than those known."""
        at = self._rows[rows]
        better = margin > self._ledger.closest_margin[at]
        self._ledger.closest[at] = torch.where(per_sample(better, points), points, self._ledger.closest[at])
        self._ledger.closest_margin[at] = torch.where(better, margin, self._ledger.closest_margin[at])

    def note_lost(self, rows: Tensor, points: Images) -> None:
        """Searches of some rows ended at a point that holds NaN or infinity: these samples are not evaluated."""
        self._ledger.unanswered[self._rows[rows]] |= ~points.isfinite().flatten(1).all(1)

    def select(self, rows: Tensor) -> View:
        """A view onto some of the rows (indices or a mask), for attacks that treat samples differently."""
        return View(self._target, self._ledger, self._access, self._rows[rows], ends=self._ends)

    def unending(self) -> View:
        """The same, but it answers as before when every sample fell, and raises nothing."""
        return View(self._target, self._ledger, self._access, self._rows, ends=False)

    def logits(self, x: Images) -> Logits:
        """Scores of the classes, `(N, K)`; one forward pass for each row still standing.

        Raises:
            PluginError: the attack declared that it sees labels only.
        """
        if self._access is Access.LABELS:
            raise PluginError("The attack declares access 'labels' and asks for scores.")
        return self._query(x)

    def labels(self, x: Images) -> Labels:
        """Predicted classes, `(N,)`; one forward pass for each row still standing."""
        return self._query(x).argmax(1)

    def gradient(self, x: Images, y: Labels, loss: Loss) -> Gradient:
        """Loss, its gradient at `x`, and logits; one forward and one backward pass for each row still standing.

        Rows that fell get their last logits and a zero gradient.

        Raises:
            PluginError: the attack did not declare access to gradients.
        """
        if self._access is not Access.GRADIENTS:
            raise PluginError(f"The attack declares access {str(self._access)!r} and asks for gradients.")
        at = self._standing()
        if not len(at):
            full = self._ledger.logits.index_select(0, self._rows)
            return Gradient(loss(full, y).detach(), torch.zeros_like(x), full)
        everyone = len(at) == len(x)
        with torch.enable_grad():
            leaf = (x.detach() if everyone else x.detach().index_select(0, at)).requires_grad_(True)
            answer = self._target.searching(leaf).to(self._ledger.logits.dtype)
            full = answer if everyone else self._ledger.logits.index_select(0, self._rows).index_copy(0, at, answer)
            losses = loss(full, y)
            (gradient,) = torch.autograd.grad((losses if everyone else losses[at]).sum(), leaf)
        # A form whose memory is laid out otherwise hands its layout back, and attacks would mix the two at a price.
        gradient = gradient.contiguous()
        self._ledger.climbed[self._rows[at]] += 1
        self._note_searched(self._rows[at], leaf.detach(), answer.detach())
        if not everyone:
            gradient = torch.zeros_like(x).index_copy(0, at, gradient)
        return Gradient(losses.detach(), gradient, full.detach())

    def _standing(self) -> Tensor:
        """Positions in this view of the rows to run; none where all of its rows fell while others stand."""
        if time.monotonic() > self._ledger.deadline:
            raise OutOfTime
        # Looking costs a synchronisation on an accelerator, so there it is done every few calls only.
        changed = self._seen != self._ledger.changes
        if changed and (self._ledger.x.device.type == "cpu" or self._calls % _LOOK_EVERY == 0):
            self._seen = self._ledger.changes
            self._standing_rows = self.active.nonzero().squeeze(1)
            if self._ends and not len(self._standing_rows) and not bool(self._ledger.active.any()):
                raise Finished
        self._calls += 1
        return self._standing_rows

    def _query(self, x: Images) -> Logits:
        at = self._standing()
        if len(at):
            source = self._target.differentiable if self._access is Access.GRADIENTS else self._target.answer
            candidates = x.detach() if len(at) == len(x) else x.detach().index_select(0, at)
            with torch.no_grad():
                answer = source(candidates)
            self._note(self._rows[at], candidates, answer)
        return self._ledger.logits.index_select(0, self._rows)

    def _note(self, rows: Tensor, candidates: Images, answer: Logits) -> None:
        self._ledger.asked[rows] += 1
        self._ledger.on_call()
        self._ledger.record(rows, candidates, answer.to(self._ledger.logits.dtype))

    def _note_searched(self, rows: Tensor, candidates: Images, answer: Logits) -> None:
        """What a cheaper form of the twin takes for an example, or nearly one, the twin itself is asked about at once.

        Nothing else that the cheaper form says is taken note of, so its rounding decides where to look next only.
        """
        search, ledger = self._target.search, self._ledger
        if search is None:
            self._note(rows, candidates, answer)
            return
        margin = margins(answer, ledger.y.index_select(0, rows))
        # Not below the line, rather than above it: NaN is asked about too.
        again = (~(margin < -ledger.margin - search.stray)).nonzero().squeeze(1)
        ledger.asked[rows] += 1
        ledger.asked[rows[again]] += 1
        ledger.on_call()
        ledger.logits.index_copy_(0, rows, answer.to(ledger.logits.dtype))
        if len(again):
            with torch.no_grad():
                exact = self._target.differentiable(candidates[again])
            ledger.record(rows[again], candidates[again], exact.to(ledger.logits.dtype))
