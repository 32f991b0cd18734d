"""Do attacks on a model that answers at random average over enough draws?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from auditor.check import Finding, Severity
from auditor.types import Norm
from auditor_checks._base import share
from auditor_checks._inquiry import InquiryCheck, more_than_few

if TYPE_CHECKING:
    from auditor.engine.inquiry import Inquiry
    from auditor.engine.scene import Scene

_SHARE = 0.005
_DOUBLINGS = 3
_STEPS = 10
GRADIENTS = frozenset({Norm.LINF, Norm.L2, Norm.L1})


def doubled(inquiry: Inquiry, on: np.ndarray) -> tuple[bool, str]:
    """Attack from the closest points with twice the draws, then twice as many again while samples fall: whether that
    came to an end, and what was done, as a sentence. What falls is counted."""
    draws, broken = inquiry.batches.ring.draws, 0
    for _ in range(_DOUBLINGS):
        draws *= 2
        run = inquiry.attack("apgd", on, draws=draws, loss="margin", steps=_STEPS, start="closest")
        broken += run.broken
        inquiry.show(**{f"broken with {draws} draws": run.broken})
        if run.status != "ran":
            return run.status == "skipped" and not len(inquiry.standing), f"With {draws} draws: {run.reason}."
        if not more_than_few(run.broken, inquiry.total, _SHARE):
            return True, f"With {draws} draws {run.broken} fell; all {broken} are counted."
        if not inquiry.doubts:
            told = share(run.broken, inquiry.total)
            inquiry.doubt(f"{draws} draws broke {told} samples that withstood half of them.")
        on = inquiry.closest(inquiry.room(2 * _STEPS * draws, 64))
    return False, f"Even {draws} draws still broke {run.broken}."


class EnoughDraws(InquiryCheck):
    """Twice the draws break no more samples of a model that answers at random.

    Seen: an attack that averages over twice as many answers broke samples that withstood the others.
    Means: what attacks followed was noise, and the robust accuracy is too high.
    Measured: from the points that came closest, ten steps up the margin with twice the draws of the scan, on as many of
        the closest samples as a check may spend passes on. Where some fall, the draws are doubled again, up to three
        times; what falls is counted. Models that repeat themselves are not asked.
    Threshold: more than 0.5 % of all samples, and more than one, raise the doubt (proposed; AutoAttack's `rand`
        averages over 20, arXiv:2003.01690); it stays if the last doubling breaks so many.
    Do: raise `--eot`.
    """

    code: ClassVar[str] = "AUD216"
    title: ClassVar[str] = "More draws still break samples"
    norms: ClassVar[frozenset[Norm]] = GRADIENTS

    def ask(self, scene: Scene, inquiry: Inquiry) -> Iterator[Finding]:
        if inquiry.target.draws == 1 or inquiry.target.twin is None:
            return
        on = inquiry.closest(inquiry.room(4 * _STEPS * inquiry.batches.ring.draws, 64))
        if not len(on):
            return
        settled, told = doubled(inquiry, on)
        if not inquiry.doubts:
            return
        if settled:
            yield self.mended(f"{inquiry.doubts[0]} {told}")
        else:
            yield self.finding(Severity.INCONCLUSIVE, f"{inquiry.doubts[0]} {told}", "Raise --eot.")
