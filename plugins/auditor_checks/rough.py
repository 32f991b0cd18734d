"""Does the gradient say how the loss changes nearby?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch

from auditor.check import Severity, plot
from auditor.engine.ledger import margins
from auditor.norms import per_sample
from auditor.target.chance import same_draws
from auditor.types import Norm
from auditor_checks._base import percent
from auditor_checks._inquiry import InquiryCheck, more_than_few
from auditor_checks._outdone import counted
from auditor_checks._ways import Way, all_gone_on, following_gradients

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.check import Finding
    from auditor.engine.inquiry import Inquiry
    from auditor.engine.scene import Scene
    from auditor.result.record import AttackRun

_SAMPLES, _DRAWS = 32, 4
_AWAY, _NEAR = 0.5, 0.05
_STEPS = (0.05, 0.25, 1.0)
_KEPT, _MANY, _CHANGE = 0.25, 0.25, 0.1
_QUERIES, _DOUBLINGS = 400, 3


class RoughLoss(InquiryCheck):
    """The loss changes smoothly, and as the gradient says.

    Seen: steps along the gradient did not raise the loss as the gradient promised, or short steps in random
        directions changed it much.
    Means: the loss is rough or noisy, so that attacks that follow its gradient wander: gradients are shattered,
        reversed, or drowned in noise (Athalye et al., arXiv:1802.00420; Pintor et al., arXiv:2106.09947).
    Measured: at a random point within half the budget of up to 32 samples: the change of the margin along its gradient,
        as a share of what the gradient promises, over a twentieth, a quarter and the whole of the budget, of which the
        best counts (short steps drown in rounding, long ones in curvature); and the mean change over four random steps
        of a twentieth, as a share of the margin; of a model that answers at random over draws that are the same at
        every point. Where it is doubted, slopes are estimated from the
        scores over a longer distance (SPSA) and squares are tried, with twice the queries until these break no more;
        then gradients past rounding, those of the operations that the model carries out, or averaged over a small
        neighbourhood are followed, the first that keep what they promise. What falls is counted.
    Threshold: less than a quarter of the promise kept, for more than a quarter of the samples (calibrated: none on
        honest networks, nearly half where gradients go to the wrong pixels); or a median change of more than 10 %
        (Pintor et al., in steps of 8/255). The doubt stays, and makes the audit inconclusive, if samples stand and
        no gradients keep their promise, or if the last queries still break more than 0.5 % of all samples, and more
        than one.
    Do: read AUD108, AUD112 and AUD113 for what makes it rough; `--eot` averages noise, `--bpda` passes rounding.
    """

    code: ClassVar[str] = "AUD211"
    title: ClassVar[str] = "Gradients do not say how the loss changes"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF, Norm.L2})

    def ask(self, scene: Scene, inquiry: Inquiry) -> Iterator[Finding]:
        each = (2 + len(_STEPS) + _DRAWS) * inquiry.batches.ring.draws
        on = inquiry.affordable(inquiry.correct, each, _SAMPLES)
        if inquiry.target.twin is None or len(on) < 2:
            return
        seen = looked(inquiry, on)
        kept, lies, change = np.sort(seen.kept), seen.lies, float(np.median(seen.change))
        inquiry.show(misled=lies, looked_at=len(on), steep=len(kept), median_change=change)
        if not seen.misleading and change <= _CHANGE:
            return
        ranks = ((np.arange(len(kept)) + 1) / max(1, len(kept))).tolist()
        inquiry.show(plot=plot(ranks, kept.tolist(), "share of samples", "part of the slope kept", threshold=_KEPT))
        told = (
            f"Near {lies} of {len(kept)} samples steps along the gradient kept less than {percent(_KEPT)} of "
            f"what it promised; short random steps changed the loss by {percent(change)}."
        )
        remedy = "Read AUD108, AUD112 and AUD113 for what makes the loss rough; run --suite thorough."
        found = list(self.escalate(inquiry, _by_scores(inquiry, told), lambda run: told, remedy))
        if seen.misleading and len(inquiry.standing):
            if (way := self._led_by(inquiry, on)) is not None and all_gone_on(inquiry, [way]):
                yield self.mended(
                    f"{told} It was gone on with {way.said}, which keep their promise. {counted(inquiry)}"
                )
                return
            # Queries that find no more prove little: for as many passes they find less than gradients that are right.
            broken = sum(run.broken for run in inquiry.tried)
            left = f"What still stands has withstood queries alone, to which {broken} more fell."
            found = [self.finding(Severity.INCONCLUSIVE, f"{told} {left}", remedy)]
        yield from found

    def _led_by(self, inquiry: Inquiry, on: np.ndarray) -> Way | None:
        """A way whose gradients do say how the loss changes."""
        for way in following_gradients(inquiry.threat.norm):
            with inquiry.target.under(**way.conditions(inquiry)):
                seen = looked(inquiry, on)
            if len(seen.kept) > 1 and not seen.misleading:
                return way
        return None


@dataclass(frozen=True)
class Looked:
    """`kept`: of samples whose gradient promises anything, the part that came true. `change`: of all, the mean change
    under random steps, in units of the margin."""

    kept: np.ndarray
    change: np.ndarray

    @property
    def lies(self) -> int:
        """Samples whose gradient promises what hardly comes true."""
        return int((self.kept < _KEPT).sum())

    @property
    def misleading(self) -> bool:
        """Whether these are too many to follow gradients."""
        return more_than_few(self.lies, len(self.kept), _MANY)


def looked(inquiry: Inquiry, on: np.ndarray) -> Looked:
    """The model's answers around a random point near each of these samples."""
    x, y = inquiry.fetch(on)
    target = inquiry.target
    near = None if target.search is None else target.search.near
    draws = inquiry.batches.ring.draws
    answer = same_draws(target.differentiable, draws)
    generator = torch.Generator().manual_seed(inquiry.batches.ring.seed)

    def away(x: Tensor, part: float) -> Tensor:
        # Back from the walls of the box, and of any length: pixels at 0 and a quantised input round both ways.
        noise = torch.rand(x.shape, generator=generator).to(x).mul_(2.0).sub_(1.0)
        noise = torch.where((x + part * inquiry.threat.eps * noise - 0.5).abs() > 0.5, -noise, noise)
        return _stepped(x, noise, part * inquiry.threat.eps, inquiry.threat.norm)

    def margin(x: Tensor) -> Tensor:
        return margins(answer(x), y)

    point = away(x, _AWAY).requires_grad_(True)
    with torch.enable_grad():
        own = margins(answer(point) if near is None else target.searching(point), y)
        (slope,) = torch.autograd.grad(own.sum(), point)
    point, slope = point.detach(), slope.nan_to_num(0.0, 0.0, 0.0)
    direction = slope.sign() if inquiry.threat.norm is Norm.LINF else slope
    with torch.no_grad():
        here = own.detach() if near is None else margin(point)
        kept = torch.full_like(here, -torch.inf)
        for length in _STEPS:
            ahead = _stepped(point, direction, length * inquiry.threat.eps, inquiry.threat.norm)
            promised = (slope * (ahead - point)).flatten(1).sum(1)
            kept = torch.maximum(kept, (margin(ahead) - here) / promised.clamp_min(1e-30))
        moved = torch.stack([(margin(away(point, _NEAR)) - here).abs() for _ in range(_DRAWS)]).mean(0)
    each, again = (1, 0) if near is None else (near.points, 1)
    inquiry.spend((each + again + len(_STEPS) + _DRAWS) * draws * len(on), each * draws * len(on))
    # A slope that promises less than rounding is AUD113's business.
    steep = promised > 1e-4 * here.abs().clamp_min(1e-12)
    change = (moved / here.abs().clamp_min(1e-12)).nan_to_num(0.0)
    return Looked(kept[steep].cpu().numpy(), change.cpu().numpy())


def _stepped(x: Tensor, direction: Tensor, length: float, norm: Norm) -> Tensor:
    """A step of this length, inside the box."""
    if norm is Norm.L2:
        direction = direction / per_sample(direction.flatten(1).norm(dim=1).clamp_min(1e-30), direction)
    return (x + length * direction).clamp(0.0, 1.0)


def _by_scores(inquiry: Inquiry, told: str) -> Iterator[AttackRun]:
    """Attacks that look at scores over a longer distance, with more and more queries, a pair of them as one rung."""
    inquiry.doubt(told)
    queries = _QUERIES
    for _ in range(_DOUBLINGS):
        first = inquiry.attack("spsa", queries=queries)
        second = inquiry.attack("square", queries=queries, start="closest", p_init=0.1, p_final=0.01)
        inquiry.show(**{f"broken by {queries} queries": first.broken + second.broken})
        queries *= 2
        yield second if second.broken > first.broken else first
