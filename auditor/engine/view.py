"""The target as an attack sees it.

Every question an attack asks goes through a `View`. It answers as far as the attack's access allows, counts the
passes, remembers the best adversarial example seen for each sample, spares those already broken (a row that fell
costs no further pass; its last answer is repeated), and ends the attack when all fell or the time is up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from auditor.border import Passing
from auditor.engine.ledger import Ledger
from auditor.errors import PluginError
from auditor.norms import per_sample
from auditor.types import Access

if TYPE_CHECKING:
    from auditor.target.base import Target
    from auditor.types import Images, Labels, Logits

Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Logits `(N, K)` and labels `(N,)` to a loss per sample `(N,)`, which attacks raise."""


class Finished(Passing):
    """Nothing is left to attack: every sample fell. Let it pass; the engine catches it."""


class OutOfTime(Passing):
    """The time limit is reached. Let it pass; the engine catches it."""


class Gradient(NamedTuple):
    """Loss `(N,)`, its gradient with respect to `x` `(N, …)`, the logits `(N, K)` it was computed from, and their
    margins `(N,)`: the largest wrong logit less the true one."""

    loss: Tensor
    gradient: Tensor
    logits: Tensor
    margin: Tensor


LOOK_EVERY = 8
"""Calls between two looks at who fell, each of which waits for an accelerator. On the CPU every call looks."""


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
        self._run = self._rows
        self._calls, self._seen, self._ends = 0, -1, ends

    @property
    def ledger(self) -> Ledger:
        """What is known of all samples of the batch; for the engine's own attacks."""
        return self._ledger

    @property
    def num_classes(self) -> int:
        return self._ledger.num_classes

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
        """A copy of the points that change nothing, `(N, …)`: the clean samples, where points are images."""
        return self._ledger.origin[self._rows]

    @property
    def images(self) -> Images:
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

    @property
    def nearest(self) -> Images:
        """Where the smallest change is looked for, the smallest adversarial examples known, `(N, …)`, from earlier
        attacks too; the samples themselves where none is known."""
        return self._ledger.best[self._rows]

    @property
    def nearest_distance(self) -> Tensor:
        """Their sizes, `(N,)`; infinite where none is known."""
        return self._ledger.best_distance[self._rows].float()

    @property
    def last_margin(self) -> Tensor:
        """The margins of their last answers, `(N,)`: the largest wrong logit less the true one."""
        return self._ledger.last(self._rows)[1]

    @property
    def changes(self) -> int:
        """Grows whenever a sample may have fallen."""
        return self._ledger.changes

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
            full, margin = self._ledger.last(self._rows)
            return Gradient(loss(full, y).detach(), torch.zeros_like(x), full, margin)
        everyone = len(at) == len(x)
        with torch.enable_grad():
            leaf = (x.detach() if everyone else x.detach().index_select(0, at)).requires_grad_(True)
            answer = self._answered(self._target.searching, self._run, leaf)
            full = answer if everyone else self._ledger.last(self._rows)[0].index_copy(0, at, answer)
            losses = loss(full, y)
            followed = losses if everyone else losses[at]
            (gradient,) = torch.autograd.grad(followed.sum(), leaf)
        # A form whose memory is laid out otherwise hands its layout back, and attacks would mix the two at a price.
        gradient = self._ledger.to_follow(self._run, gradient.contiguous())
        self._note_searched(self._run, leaf.detach(), answer.detach())
        if not everyone:
            gradient = torch.zeros_like(x).index_copy(0, at, gradient)
        return Gradient(losses.detach(), gradient, full.detach(), self.last_margin)

    def answers(self, x: Images, rows: Tensor) -> Logits:
        """Scores of candidates `(B, …)` for these rows, `(B,)`, which may repeat: for code that knows nothing of views.

        One forward pass for each candidate whose row still stands; the others get their row's last answer. Where `x`
        is part of a graph and the attack sees gradients they flow back to it, and backward passes are counted when
        they do. An attack that sees labels only gets a 1 for the predicted class.
        """
        self._standing()
        ledger, at = self._ledger, self._rows[rows]
        stands = ledger.active[at].nonzero().squeeze(1)
        full = ledger.logits.index_select(0, at)
        if len(stands):
            candidates, asked = x.index_select(0, stands), at[stands]
            source = self._target.differentiable if self._access is Access.GRADIENTS else self._target.answer
            answer = self._answered(source, asked, candidates)
            if answer.requires_grad:

                def count(gradient: Tensor) -> None:
                    ledger.count(asked, 0, ledger.draws)

                answer.register_hook(count)  # type: ignore[no-untyped-call]
            for distinct in _rounds(asked):
                self._note(asked[distinct], candidates[distinct].detach(), answer[distinct].detach())
            full = full.index_copy(0, stands, answer)
        elif x.requires_grad:
            # Whoever asks for a gradient where all fell gets zeros.
            full = full + 0.0 * x.flatten(1).sum(1, keepdim=True)
        return functional.one_hot(full.argmax(1), full.shape[1]).to(full) if self._access is Access.LABELS else full

    def _standing(self) -> Tensor:
        """Positions in this view of the rows to run; none where all of its rows fell while others stand."""
        if time.monotonic() > self._ledger.deadline:
            raise OutOfTime
        # Looking costs a synchronisation on an accelerator, so there it is done every few calls only.
        changed = self._seen != self._ledger.changes
        if changed and (self._ledger.x.device.type == "cpu" or self._calls % LOOK_EVERY == 0):
            self._seen = self._ledger.changes
            self._standing_rows = self.active.nonzero().squeeze(1)
            everyone = len(self._standing_rows) == len(self._rows)
            self._run = self._rows if everyone else self._rows[self._standing_rows]
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
                answer = self._answered(source, self._run, candidates)
            self._note(self._run, candidates, answer)
        return self._ledger.last(self._rows)[0]

    def _note(self, rows: Tensor, candidates: Images, answer: Logits, climbed: int = 0) -> None:
        ledger = self._ledger
        ledger.count(rows, ledger.draws, climbed * ledger.draws)
        ledger.on_call()
        ledger.record(rows, candidates, answer)

    def _answered(self, source: Callable[[Images], Logits], rows: Tensor, points: Tensor) -> Logits:
        """What `source` says of the images that points make, as attacks see it; the mean over the draws of a model that
        answers at random (expectation over transformation, Athalye et al., arXiv:1707.07397)."""
        ledger, images = self._ledger, self._ledger.rendered(rows, points)
        answer = source(images)
        for _ in range(ledger.draws - 1):
            answer = answer + source(images)
        mean = answer if ledger.draws == 1 else answer / ledger.draws
        return ledger.seen(rows, mean.float())

    def _note_searched(self, rows: Tensor, candidates: Images, answer: Logits) -> None:
        """What a cheaper form of the twin takes for an example, or nearly one, the twin itself is asked about at once.

        Nothing else that the cheaper form says is taken note of, so its rounding decides where to look next only.
        """
        search, ledger = self._target.search, self._ledger
        if search is None:
            self._note(rows, candidates, answer, climbed=1)
            return
        ledger.count(rows, search.each * ledger.draws, search.each * ledger.draws)
        margin = ledger.note(rows, answer)
        again = ledger.doubtful(rows, answer, margin, search.stray)
        ledger.on_call()
        if len(again):
            ledger.count(asked := rows[again], ledger.draws)
            with torch.no_grad():
                exact = self._answered(self._target.differentiable, asked, candidates[again])
            ledger.record(asked, candidates[again], exact)
            ledger.astray[asked] = margin[again] - ledger.last_margin[asked]


def _rounds(rows: Tensor) -> list[Tensor]:
    """Positions of `rows`, `(B,)`, in as few parts as it takes for none to name a row twice."""
    order = rows.argsort(stable=True)
    counts = rows.bincount()
    counts = counts[counts > 0]
    place = torch.arange(len(rows), device=rows.device) - (counts.cumsum(0) - counts).repeat_interleave(counts)
    return [order[place == turn] for turn in range(int(counts.amax()))]
