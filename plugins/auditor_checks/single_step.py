"""Is a single step outdone by many?"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from auditor_checks._outdone import Outdone, most_broken

if TYPE_CHECKING:
    from auditor.engine.inquiry import Inquiry


class SingleStepBeatsIterative(Outdone):
    """An attack of many steps breaks what a single step breaks.

    Seen: samples that `fgsm` broke, and the plan's best iterative attack does not.
    Means: gradients lead away from examples after the first step, as where they are masked or shattered (Athalye et
        al., arXiv:1802.00420; Carlini et al., arXiv:1902.06705). What stands may stand for the same reason.
    Measured: up to 64 of the samples that fell to `fgsm` first, tried again by the iterative attack that broke most.
        Those that it misses are tried with other losses, gradients past rounding, more starts, and queries alone; what
        breaks them, and queries in any case, are run on all that stand, with twice the effort each time until that
        breaks no more. Where a single
        step is all that the plan has, many steps are tried on what stands.
    Threshold: more than 0.5 % of all samples, and more than one, raise the doubt; it stays, and makes the audit
        inconclusive, where nothing breaks them or the search does not come to an end (proposed).
    Do: give the model without what hides its gradients (rounding, a random layer, a saturated output).
    """

    code: ClassVar[str] = "AUD201"
    title: ClassVar[str] = "A single step broke what many steps missed"
    simple: ClassVar[str] = "fgsm"
    called: ClassVar[str] = "a single step"

    def alone(self, inquiry: Inquiry) -> bool:
        plan = [run for run in inquiry.runs if run.attacked and not run.because]
        return most_broken(inquiry) is None and any(run.attack == self.simple for run in plan)
