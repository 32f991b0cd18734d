"""Had the attacks come to an end when they were ended?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from auditor.check import Finding, Severity
from auditor_checks._base import share
from auditor_checks._inquiry import InquiryCheck, climbs, more_than_few

if TYPE_CHECKING:
    from auditor.engine.inquiry import Inquiry
    from auditor.engine.scene import Scene

_SHARE = 0.005
_DOUBLINGS = 4


class MoreSteps(InquiryCheck):
    """Twice the steps break no more samples.

    Seen: the attack with the most steps was run again, with twice as many, on samples that stand, and broke some.
    Means: the search was ended before it was done, and the robust accuracy is too high (Carlini et al.,
        arXiv:1902.06705).
    Measured: the samples that stand, the closest to an example first, as far as a check may spend passes. Where some
        fall the steps are doubled again for all that stand, up to four times; what falls is counted.
    Threshold: more than 0.5 % of all samples, and more than one, raise the doubt; it stays, and makes the audit
        inconclusive, if the last doubling still breaks so many (proposed).
    Do: run `--suite thorough`, or the attack with more steps.
    """

    code: ClassVar[str] = "AUD207"
    title: ClassVar[str] = "More steps still break samples"

    def ask(self, scene: Scene, inquiry: Inquiry) -> Iterator[Finding]:
        known = climbs(inquiry)
        if not known:
            return
        longest, n = known[-1], inquiry.total
        parameters = dict(longest.parameters)
        steps, broken = int(parameters.pop("steps")), 0
        for doubling in range(1, _DOUBLINGS + 1):
            steps *= 2
            close = inquiry.closest(inquiry.room(inquiry.cost(longest.attack, steps=steps, **parameters), n))
            run = inquiry.attack(longest.attack, close, steps=steps, **parameters)
            broken += run.broken
            inquiry.show(**{f"broken by {steps} steps": run.broken})
            if run.status != "ran" or not more_than_few(run.broken, n, _SHARE):
                break
            if doubling == 1:
                told = share(run.broken, n)
                inquiry.doubt(f"{steps} steps of {run.attack} broke {told} samples that withstood half.")
        if not inquiry.doubts:
            return
        if run.status == "ran" and not more_than_few(run.broken, n, _SHARE):
            yield self.mended(f"{inquiry.doubts[0]} With {steps} it broke no more; all {broken} are counted.")
            return
        yield self.finding(
            Severity.INCONCLUSIVE,
            f"{inquiry.doubts[0]} {steps} steps still broke {run.broken}"
            + (f" ({run.status}: {run.reason})." if run.status != "ran" else "."),
            "Run --suite thorough, or name the attack with more steps.",
        )
