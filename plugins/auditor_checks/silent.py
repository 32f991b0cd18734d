"""Did an attack throw away what it found?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from auditor.check import Severity
from auditor_checks._base import share
from auditor_checks._inquiry import InquiryCheck

if TYPE_CHECKING:
    from auditor.check import Finding
    from auditor.engine.inquiry import Inquiry
    from auditor.engine.scene import Scene


class SilentSuccess(InquiryCheck):
    """What an attack returns is the best that it met.

    Seen: an attack asked the model about adversarial examples, and returned other points, which are none.
    Means: here nothing is lost, since the best example met is always kept. Figures that the same attack gives elsewhere
        are too high: it hands back its last point, or its start, and not its best (Pintor et al., arXiv:2106.09947).
    Measured: for every sample for which an example was met, the model is asked once more about the point returned.
    Threshold: any (Pintor et al.).
    Do: let the attack keep the best point on its path; believe this run's figures rather than its own.
    """

    code: ClassVar[str] = "AUD210"
    title: ClassVar[str] = "An attack returned less than it had found"

    def ask(self, scene: Scene, inquiry: Inquiry) -> Iterator[Finding]:
        rescued = {run.name: run for run in inquiry.runs if run.rescued}
        if rescued:
            inquiry.show(**{name: run.rescued for name, run in rescued.items()})
            told = ", ".join(f"{name} of {share(run.rescued, run.attacked)}" for name, run in rescued.items())
            yield self.finding(
                Severity.INFO,
                f"Examples that were met and not returned, which are counted all the same: {told}.",
                "Let the attack keep the best point on its path.",
            )
