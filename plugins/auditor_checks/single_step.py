"""Is a single step outdone by many?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from auditor.check import Finding, Severity
from auditor_checks._base import share
from auditor_checks._outdone import Outdone, counted, most_broken
from auditor_checks._ways import following_gradients, gone_on

if TYPE_CHECKING:
    from auditor.engine.inquiry import Inquiry
    from auditor.engine.scene import Scene


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

    def ask(self, scene: Scene, inquiry: Inquiry) -> Iterator[Finding]:
        alone = any(run.attack == self.simple and run.attacked and not run.because for run in inquiry.runs)
        if alone and most_broken(inquiry) is None:
            yield from self._alone(inquiry)
        else:
            yield from super().ask(scene, inquiry)

    def _alone(self, inquiry: Inquiry) -> Iterator[Finding]:
        """The plan takes one step and no more: do many find what it left?"""
        way = following_gradients(inquiry.threat.norm)[0]
        some = inquiry.closest(inquiry.room(inquiry.cost(way.attack, **way.parameters)))
        fell = int(way.tried(inquiry, some).fell.sum())
        if fell < 2:
            return
        inquiry.doubt(f"Many steps broke {share(fell, len(some))} samples that withstood a single one, the plan's all.")
        settled = gone_on(inquiry, way)
        told = f"{inquiry.doubts[0]} {counted(inquiry)}"
        yield (
            self.mended(told)
            if settled
            else self.finding(Severity.INCONCLUSIVE, told, "Run a suite, or name an attack that takes many steps.")
        )
