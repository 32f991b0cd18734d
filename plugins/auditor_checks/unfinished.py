"""Does the loss still climb where the attacks left off?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from auditor.check import Severity, plot
from auditor.types import Norm
from auditor_checks._base import share
from auditor_checks._inquiry import InquiryCheck, more_than_few, strongest

if TYPE_CHECKING:
    from auditor.check import Finding
    from auditor.engine.inquiry import Inquiry
    from auditor.engine.scene import Scene

_STEPS, _MOVES, _MANY = 10, 0.1, 0.5
_ROUNDS = 5


class UnfinishedClimb(InquiryCheck):
    """The loss has come to rest where the attacks left off.

    Seen: from the closest points that the attacks reached, a few more steps along gradients raised the loss much
        further.
    Means: optimisation was incomplete (Pintor et al., arXiv:2106.09947): there were too few steps, they were too
        short, or the attack does not follow what it should.
    Measured: the margin (the largest wrong logit less the true one) at the closest point known of samples that stand,
        before and after ten further steps of Auto-PGD from there, on the loss of the attack that broke the most, in
        units of the whole climb from the sample. Where it moves the steps go on, twice as many each time, up to five
        times, on all samples that stand; what falls is counted.
    Threshold: a move of more than 0.1, for more than half of the samples looked at, and more than one, raises the
        doubt (calibrated: of hardened networks under the suites an eighth of the samples move so far, after single
        steps nine tenths do; 0.05 for any sample, as in the paper, would doubt every hardened network). It stays, and
        makes the audit inconclusive, while further steps break more than 0.5 % of all samples.
    Do: run `--suite thorough`, or raise the steps or the step size of the attacks that you named.
    """

    code: ClassVar[str] = "AUD208"
    title: ClassVar[str] = "The loss still climbs where the attacks left off"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF, Norm.L2})

    def ask(self, scene: Scene, inquiry: Inquiry) -> Iterator[Finding]:
        if inquiry.target.twin is None:
            return
        climb = strongest(inquiry)
        loss = climb.parameters.get("loss") if climb else None
        loss = loss if loss in ("ce", "dlr") else "margin"
        on = inquiry.affordable(inquiry.standing, inquiry.cost("apgd", loss=loss, start="closest", steps=_STEPS))
        begun = inquiry.batches.memory.eaten(on)
        steps, taken, broken, further, climbed = _STEPS, 0, 0, [0.0], [1.0]
        for _ in range(_ROUNDS):
            before = inquiry.batches.memory.eaten(on)
            run = inquiry.attack("apgd", None if inquiry.doubts else on, loss=loss, start="closest", steps=steps)
            moved = _moved(inquiry, on, before)
            taken, broken, steps = taken + steps, broken + run.broken, 2 * steps
            further.append(float(taken))
            climbed.append(float(np.median(1.0 + _moved(inquiry, on, begun))) if len(on) else 1.0)
            if not inquiry.doubts:
                far = int((moved > _MOVES).sum())
                if run.attacked:
                    inquiry.show(moved=far, looked_at=len(on))
                if run.status != "ran" or not more_than_few(far, len(on), _MANY):
                    return
                inquiry.doubt(f"For {share(far, len(on))} samples looked at, {_STEPS} more steps raised the loss much.")
            elif run.status != "ran" or not more_than_few(run.broken, inquiry.total, self.threshold):
                break
        inquiry.show(plot=plot(further, climbed, "further steps", "loss, in units of the climb before"))
        told = f"{inquiry.doubts[0]} {taken} more were taken, and {broken} samples fell"
        if not more_than_few(run.broken, inquiry.total, self.threshold) or not len(inquiry.standing):
            yield self.mended(f"{told}; all are counted.")
            return
        yield self.finding(
            Severity.INCONCLUSIVE, f"{told}, {run.broken} of them at the end.", "Run --suite thorough, or more steps."
        )


def _moved(inquiry: Inquiry, on: np.ndarray, before: np.ndarray) -> np.ndarray:
    """How far the margins rose, in units of the climb from the sample to where they were `before`, `(m,)`."""
    moved: np.ndarray = (inquiry.batches.memory.eaten(on) - before) / np.maximum(before, 1e-6)
    return moved
