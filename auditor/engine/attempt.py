"""One attack on one batch: run it inside a guard, keep what it found, let the referee decide."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from auditor.border import foreign, said
from auditor.engine.aims import Aims
from auditor.engine.ledger import Ledger, margins
from auditor.engine.referee import Judgement, judge
from auditor.engine.settle import settle
from auditor.engine.view import Finished, OutOfTime, View
from auditor.lanes import LaneAttack
from auditor.rng import Rng
from auditor.types import Access

if TYPE_CHECKING:
    from auditor.engine.plan import Step
    from auditor.target.base import Target
    from auditor.types import Images, Threat

Status = Literal["ran", "failed", "timed out"]


@dataclass(frozen=True)
class Found:
    """The counted examples of one attempt, on the CPU: positions in the batch, points of the threat's space, the images
    that they make, and the judgement on each."""

    rows: Tensor
    points: Tensor
    adversarial: Images
    judgement: Judgement

    def joined(self, other: Found, rows: Tensor) -> Found:
        """These examples and others, which lie at `rows` of the batch."""
        return Found(
            torch.cat([self.rows, rows]),
            torch.cat([self.points, other.points]),
            torch.cat([self.adversarial, other.adversarial]),
            self.judgement.joined(other.judgement),
        )


@dataclass(frozen=True)
class Attempt:
    """What came of one attack on one batch."""

    status: Status
    reason: str
    found: Found
    refuted: int
    forwards: int
    backwards: int
    seconds: float
    unanswered: Tensor
    """Positions in the batch near which the model answered NaN."""
    blind: Tensor
    """Positions at which gradients were asked for, and all had entries that nobody can follow."""
    unsettled: Tensor
    """Positions of samples on which the second try, after the referee refuted the first, was cut short."""
    passes: Tensor
    """Spent on each sample, forward and backward."""
    closest: Images
    closest_margin: Tensor
    """Of each sample: the closest point to an example that is known now, and its margin; where the smallest change is
    looked for, the example that was found and confirmed, and its size, infinite where none was."""
    rescued: int = 0
    """Samples for which the attack met an example and returned something else."""
    elsewhere: tuple[int, int] = (0, 0)
    """Samples through surrogates, forward and backward."""

    def joined(self, other: Attempt, offset: int) -> Attempt:
        """This attempt and another one on the samples that follow `offset` rows later, as one."""
        worse = self if self.status != "ran" else other
        return Attempt(
            status=worse.status,
            reason=worse.reason,
            found=self.found.joined(other.found, other.found.rows + offset),
            refuted=self.refuted + other.refuted,
            forwards=self.forwards + other.forwards,
            backwards=self.backwards + other.backwards,
            seconds=self.seconds + other.seconds,
            unanswered=torch.cat([self.unanswered, other.unanswered + offset]),
            blind=torch.cat([self.blind, other.blind + offset]),
            unsettled=torch.cat([self.unsettled, other.unsettled + offset]),
            passes=torch.cat([self.passes, other.passes]),
            closest=torch.cat([self.closest, other.closest]),
            closest_margin=torch.cat([self.closest_margin, other.closest_margin]),
            rescued=self.rescued + other.rescued,
            elsewhere=(self.elsewhere[0] + other.elsewhere[0], self.elsewhere[1] + other.elsewhere[1]),
        )


@dataclass(frozen=True, kw_only=True)
class Ring:
    """Where attempts take place: the target, the threat, the seed, how sure the twin must be, over how many draws each
    question is averaged, and until when. Attacks search `within` this share of the budget; all of it counts."""

    target: Target
    threat: Threat
    seed: int
    margin: float
    draws: int = 1
    within: float = 1.0
    deadline: float = float("inf")
    on_call: Callable[[], None] = lambda: None

    @property
    def searched(self) -> Threat:
        """The threat that attacks are told of."""
        return self.threat if self.within == 1.0 else replace(self.threat, eps=self.within * self.threat.eps)


def opened(ring: Ring, x: Images, aims: Aims, known: tuple[Tensor, Tensor] | None = None) -> Ledger:
    """A ledger for samples on the target's device, with what earlier attacks found: the closest points and their
    margins; where the smallest change is looked for, the smallest examples and their sizes."""
    classes = ring.target.num_classes
    ledger = Ledger.open(x, aims.y, ring.threat, classes, ring.margin, ring.deadline, aims.wanted)
    ledger.on_call, ledger.draws = ring.on_call, ring.draws
    if known is not None and ring.threat.minimal:
        ledger.best, ledger.best_distance = known[0], known[1].double()
    elif known is not None:
        ledger.closest, ledger.closest_margin = ring.threat.project(known[0], ledger.origin), known[1]
    return ledger


def attempt(
    ring: Ring, step: Step, x: Images, aims: Aims, indices: Tensor, known: tuple[Tensor, Tensor] | None = None
) -> Attempt:
    """Run the attack of `step` on samples `x` (on the target's device); never raises for what an attack does wrong."""
    started = time.perf_counter()
    ledger = opened(ring, x, aims, known)
    status, reason = _run(ring, step, ledger, indices)
    return concluded(ring, step, ledger, indices, (status, reason), started)


def concluded(
    ring: Ring, step: Step, ledger: Ledger, indices: Tensor, ended: tuple[Status, str], started: float
) -> Attempt:
    """Let the referee judge what an attack left in its ledger; `started` is when it began."""
    status, reason = ended
    x, aims = ledger.x, ledger.aims
    if ring.threat.minimal:
        settle(ring.target, ledger)
    found, refuted = _confirm(ring, ledger)
    doubted = refuted
    passes = ledger.passes
    forwards, backwards = ledger.forwards, ledger.backwards
    if len(refuted) and status == "ran" and not ring.threat.minimal:
        # Once more, demanding a margin that twin and runtime cannot disagree on.
        stricter = replace(ring, margin=10.0 * ring.margin + 1e-3)
        second, (status, reason) = _again(stricter, step, x[refuted], aims[refuted], indices[refuted.cpu()])
        more, still = _confirm(stricter, second)
        passes[refuted] += second.passes
        found, refuted = found.joined(more, refuted.cpu()[more.rows]), refuted[still]
        forwards, backwards = forwards + second.forwards, backwards + second.backwards
        ledger.count_elsewhere(second.elsewhere_forwards, second.elsewhere_backwards)
    return Attempt(
        status=status,
        reason=reason,
        found=found,
        refuted=len(refuted),
        forwards=forwards,
        backwards=backwards,
        seconds=time.perf_counter() - started,
        unanswered=ledger.unanswered.nonzero().squeeze(1).cpu(),
        blind=ledger.blind.nonzero().squeeze(1).cpu(),
        unsettled=doubted[: 0 if status == "ran" else None].cpu(),
        passes=passes.cpu(),
        rescued=ledger.rescued,
        elsewhere=(ledger.elsewhere_forwards, ledger.elsewhere_backwards),
        **_learned(ledger, found),
    )


def _learned(ledger: Ledger, found: Found) -> dict[str, Tensor]:
    """What later attacks may start from, and how good it is: see `opened`."""
    if not ledger.threat.minimal:
        return {"closest": ledger.closest, "closest_margin": ledger.closest_margin}
    size = torch.full((len(ledger.x),), torch.inf, dtype=torch.float64)
    return {"closest": ledger.best, "closest_margin": size.index_copy_(0, found.rows, found.judgement.distance.cpu())}


def _again(ring: Ring, step: Step, x: Images, aims: Aims, indices: Tensor) -> tuple[Ledger, tuple[Status, str]]:
    """What an attack leaves in a ledger, and how it ended; where memory runs out, in halves."""
    ledger = opened(ring, x, aims)
    try:
        return ledger, _run(ring, step, ledger, indices)
    except torch.OutOfMemoryError:
        if len(x) == 1:
            raise
    ended: tuple[Status, str] = ("ran", "")
    ledger = opened(ring, x, aims)
    for rows in torch.arange(len(x), device=x.device).tensor_split(2):
        part, how = _again(ring, step, x[rows], aims[rows], indices[rows.cpu()])
        ledger.take(rows, part, torch.arange(len(rows), device=x.device))
        ledger.count_elsewhere(part.elsewhere_forwards, part.elsewhere_backwards)
        ended = how if ended[0] == "ran" else ended
    return ledger, ended


def _confirm(ring: Ring, ledger: Ledger) -> tuple[Found, Tensor]:
    """What the referee confirms of a ledger, and the rows in which the attack believed in vain."""
    rows = (ledger.best_margin > -ring.margin).nonzero().squeeze(1)
    verdict = judge(ring.target, ledger.x[rows], ledger.best[rows], ledger.aims[rows], ring.threat)
    kept = verdict.counts.nonzero().squeeze(1)
    points = ledger.best[rows[kept]]
    images = ledger.rendered(rows[kept], points)
    found = Found(rows[kept].cpu(), points.cpu(), images.cpu(), verdict.select(kept))
    return found, rows[~verdict.counts & ledger.found[rows]]


def _run(ring: Ring, step: Step, ledger: Ledger, indices: Tensor) -> tuple[Status, str]:
    x, y = ledger.origin, ledger.y
    view = View(ring.target, ledger, step.attack.access)
    rng = Rng.keyed(ring.seed, step.name, indices.to(x.device))

    def search() -> str:
        # Copies: what an attack does to its arguments moves neither the originals nor the labels.
        last = step.attack.perturb(view, x.clone(), y.clone(), ring.searched, rng)
        complaint = _contract(last, x)
        if not complaint:
            # The author's own answer is judged like every other candidate, at the price of one more pass.
            point = ring.searched.project(last.detach().to(x.dtype), x)
            view.labels(point)
            view.note_closest(torch.arange(len(x), device=x.device), point, margins(ledger.logits, y))
            _count_rescued(ring, step, ledger, point)
        return complaint

    return guarded(search)


def _count_rescued(ring: Ring, step: Step, ledger: Ledger, point: Tensor) -> None:
    """For how many samples the attack met an example and returned a `point` that is none; one pass for each."""
    if isinstance(step.attack, LaneAttack) or ring.threat.minimal:
        return  # What the engine steps returns nothing of its own; and the smallest change is not the last.
    other = ledger.found & (point != ledger.best).flatten(1).any(1)
    rows = other.nonzero().squeeze(1)
    if len(rows):
        source = ring.target.differentiable if step.attack.access is Access.GRADIENTS else ring.target.answer
        with torch.no_grad():
            answer = ledger.seen(rows, source(ledger.rendered(rows, point[rows])))
        ledger.asked[rows] += 1
        ledger.rescued += int((margins(answer, ledger.y[rows]) <= ledger.margin).sum())


def guarded(search: Callable[[], str]) -> tuple[Status, str]:
    """How an attack ended: whatever a plugin raises is its failure; what it returns is a complaint, or nothing."""
    try:
        with foreign():
            complaint = search()
    except Finished:
        return "ran", ""
    except OutOfTime:
        return "timed out", "the time limit was reached"
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # a plugin border
        return "failed", said(error)
    return ("failed", complaint) if complaint else ("ran", "")


def _contract(last: object, x: Images) -> str:
    if not isinstance(last, Tensor):
        return f"returned {type(last).__name__} instead of a tensor"
    if last.shape != x.shape:
        return f"returned shape {tuple(last.shape)} for samples of shape {tuple(x.shape)}"
    if not last.is_floating_point():
        return f"returned {last.dtype} instead of floating-point pixels"
    if not bool(last.isfinite().all()):
        return "returned NaN or infinite pixels"
    return ""
