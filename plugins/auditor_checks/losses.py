"""Does another loss find what the one that was climbed does not?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from auditor.types import Access, Norm
from auditor_checks._base import share
from auditor_checks._inquiry import InquiryCheck

if TYPE_CHECKING:
    from auditor.check import Finding
    from auditor.engine.inquiry import Inquiry
    from auditor.engine.scene import Scene
    from auditor.result.record import AttackRun

_STEPS, _DOUBLINGS = 20, 3
_KINDS = {"ce": "ce", "margin": "margin", "dlr": "margin", "dlr-targeted": "targeted", "margin-targeted": "targeted"}
_INSTEAD = {"ce": "ce", "margin": "margin", "targeted": "margin-targeted"}
_WORDS = {"ce": "cross-entropy", "margin": "a difference of logits", "targeted": "a loss towards chosen classes"}


class OtherLosses(InquiryCheck):
    """Another loss breaks nothing that the one that was climbed misses.

    Seen: all attacks with gradients climbed one kind of loss, and a short climb of another broke samples that stand.
    Means: that loss is flat or misleading for this model. Cross-entropy vanishes where the model is too sure, and its
        targeted and scale-free forms do not (Croce & Hein, arXiv:2003.01690).
    Measured: where the plan climbs cross-entropy alone, a difference of logits alone, or towards chosen classes alone:
        20 steps of Auto-PGD on each of the other two, on samples that stand, as far as a check may spend passes. Where
        some fall, all that stand are attacked with that loss, with twice the steps until it breaks no more; what falls
        is counted.
    Threshold: more than 1 % of all samples, and more than one, raise the doubt (proposed); it stays, and makes the
        audit inconclusive, if the last steps still break so many.
    Do: run a suite, which climbs several losses, or add `--attack apgd:loss=dlr`.
    """

    code: ClassVar[str] = "AUD212"
    title: ClassVar[str] = "Another loss breaks what one loss missed"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF, Norm.L2, Norm.L1})
    threshold: ClassVar[float] = 0.01

    def ask(self, scene: Scene, inquiry: Inquiry) -> Iterator[Finding]:
        climbed = _climbed(inquiry)
        if len(climbed) != 1 or not climbed <= set(_INSTEAD):
            return
        (one,) = climbed

        def said(run: AttackRun) -> str:
            told = share(run.broken, inquiry.total)
            return f"Only {_WORDS[one]} was climbed; {run.parameters['loss']} broke {told} samples that stood."

        for loss in (loss for kind, loss in _INSTEAD.items() if kind != one):
            yield from self.escalate(inquiry, _with(inquiry, loss), said, "Run a suite, which climbs several losses.")
            if inquiry.doubts:
                return


def _climbed(inquiry: Inquiry) -> set[str]:
    """The kinds of loss that attacks with gradients raised."""
    seen = [run for run in inquiry.runs if run.access == Access.GRADIENTS and run.attacked and not run.because]
    return {_KINDS.get(str(run.parameters.get("loss")), "other") for run in seen}


def _with(inquiry: Inquiry, loss: str) -> Iterator[AttackRun]:
    """Climbs of this loss: a few samples first, then all that stand, with more and more steps."""
    targets: dict[str, Any] = {"targets": 3} if loss.endswith("-targeted") else {}
    steps = _STEPS
    few = inquiry.closest(inquiry.room(inquiry.cost("apgd", loss=loss, steps=steps, **targets)))
    run = inquiry.attack("apgd", few, loss=loss, steps=steps, **targets)
    if run.attacked:
        inquiry.show(**{f"broken by {loss}": run.broken})
    yield run
    for _ in range(_DOUBLINGS):
        yield inquiry.attack("apgd", loss=loss, steps=steps, **targets)
        steps *= 2
