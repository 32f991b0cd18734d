"""Does noise find what gradients do not?"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from auditor_checks._outdone import Outdone
from auditor_checks._ways import Way

if TYPE_CHECKING:
    from auditor.engine.inquiry import Inquiry

_DRAWS = Way(
    attack="noise",
    effort="draws",
    said="more noise",
    advice="Draw more noise: --attack noise:draws=1000.",
    parameters={"draws": 100},
)


class NoiseBeatsGradients(Outdone):
    """An attack that follows gradients breaks what noise breaks.

    Seen: samples that random noise broke, and the plan's best iterative attack does not.
    Means: gradients point away from examples that lie all around (Carlini et al., arXiv:1902.06705; Athalye et al.,
        arXiv:1802.00420). What stands may stand for the same reason.
    Measured: up to 64 of the samples that fell to `noise` first, tried again by the iterative attack that broke most.
        Those that it misses are tried with other losses, gradients past rounding, more starts, and queries alone; what
        breaks them, queries in any case, and 100 draws of noise, are run on all that stand, with twice the effort each
        time until that breaks no more. Where noise is all that the plan has, many steps along gradients are tried on
        what stands.
    Threshold: more than 0.5 % of all samples, and more than one, raise the doubt; it stays, and makes the audit
        inconclusive, where nothing breaks them or the search does not come to an end (proposed).
    Do: give the model without what hides its gradients (rounding, a random layer, a saturated output).
    """

    code: ClassVar[str] = "AUD204"
    title: ClassVar[str] = "Noise broke what gradients missed"
    simple: ClassVar[str] = "noise"
    called: ClassVar[str] = "noise"

    def alone(self, inquiry: Inquiry) -> bool:
        return {run.attack for run in inquiry.runs if run.attacked and not run.because} == {self.simple}

    def searched(self, inquiry: Inquiry, ways: list[Way]) -> bool:
        return super().searched(inquiry, [_DRAWS, *ways])
