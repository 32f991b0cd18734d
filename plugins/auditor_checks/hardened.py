"""Was the model attacked with what it was hardened with, and nothing else?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from auditor.check import Severity
from auditor.types import Access, Norm
from auditor_checks._inquiry import InquiryCheck

if TYPE_CHECKING:
    from auditor.check import Finding
    from auditor.engine.inquiry import Inquiry
    from auditor.engine.scene import Scene
    from auditor.result.record import AttackRun
    from auditor.settings import AttackSetting


class TrainedOn(InquiryCheck):
    """The model was attacked with something that it was not hardened with.

    Seen: you said what the model was hardened with (`--hardened-with`), and every attack with gradients is that one.
    Means: a model learns to withstand the attack that it saw, which says nothing about others (Carlini et al.,
        arXiv:1902.06705, section 4.5).
    Measured: the names of the attacks that ran, and the losses that they climb where one was named
        (`--hardened-with pgd:loss=ce`). Then other attacks are run: Auto-PGD on two losses, and squares.
    Threshold: any other attack with gradients will do; where none could be run, the audit is inconclusive.
    Do: run a suite, or name other attacks beside this one.
    """

    code: ClassVar[str] = "AUD218"
    title: ClassVar[str] = "Attacked only with what it was hardened with"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF, Norm.L2, Norm.L1})

    def ask(self, scene: Scene, inquiry: Inquiry) -> Iterator[Finding]:
        known = scene.settings.hardened_with
        seen = [run for run in inquiry.runs if run.access == Access.GRADIENTS and run.attacked and not run.because]
        if known is None or not seen or not all(_same(known, run) for run in seen):
            return
        inquiry.doubt(f"The model was hardened with {known.name}, and attacked with no other gradients.")
        others = [
            inquiry.attack("apgd", loss=loss, start=start, steps=40) for loss, start in _OTHERS if known.name != "apgd"
        ] or [inquiry.attack("pgd", loss="margin", steps=40), inquiry.attack("apgd", loss="margin-targeted", steps=40)]
        others.append(inquiry.attack("square", queries=400, start="closest", p_init=0.1, p_final=0.01))
        broken = sum(run.broken for run in others)
        if any(run.status == "ran" for run in others) or not len(inquiry.standing):
            yield self.mended(f"{inquiry.doubts[0]} Others were run, and broke {broken} more, which are counted.")
            return
        yield self.finding(
            Severity.INCONCLUSIVE,
            f"{inquiry.doubts[0]} No other could be run ({others[0].reason}).",
            "Run a suite, or name other attacks beside this one.",
        )


_OTHERS = (("margin", "surface"), ("dlr", "tiles"))


def _same(known: AttackSetting, run: AttackRun) -> bool:
    """Whether the run is of the attack that the model was hardened with, on the same loss where that is told."""
    loss = known.parameters.get("loss")
    return run.attack == known.name and (loss is None or run.parameters.get("loss") == loss)
