"""Does the differentiable twin compute what the deployed model computes?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from auditor.check import Finding
from auditor.target.agreement import agreement, distrust
from auditor.target.answers import useless
from auditor.target.notices import OVERFLOW, TWIN
from auditor_checks._answers import affordable, clean_logits
from auditor_checks._base import TrustCheck

if TYPE_CHECKING:
    from auditor.engine.scene import Scene


class TwinAgreement(TrustCheck):
    """The twin that gradients come from answers like the deployed model, and its gradients are that model's.

    Seen: ONNX Runtime and the PyTorch twin of the graph give different answers to clean samples, or the twin's
        gradients are not the slopes of ONNX Runtime's answers.
    Means: attacks would follow the gradients of another function, and what they find would not carry over, so the
        model would look more robust than it is. The twin is dropped, and black-box attacks judge the model.
    Measured: logits of both on the preflight samples: the largest difference against the range of the logits, and
        answers that name another class or order the five best differently. On four of them gradients in four random
        directions against differences of ONNX Runtime's answers; the first node that differs is named.
    Threshold: a difference above 1e-3 of the range (of quantised models two steps of the output, 0.05 of the range, or
        twice what a millionth of the input changes), or another class or order where the model's scores are further
        apart than that; slopes further apart than four times the doubt about them, plus 1 %; of quantised models a
        gradient that leads uphill on none of the samples (proposed).
    Do: report the file, since it shows an operator that the twin computes differently; meanwhile audit the PyTorch
        model that it was exported from as well.
    """

    code: ClassVar[str] = TWIN
    title: ClassVar[str] = "The differentiable twin disagrees with the deployed model"

    def inspect(self, scene: Scene) -> Iterator[Finding]:
        target = scene.target
        if target.twin is None or target.twin is target.deployed:
            return
        if useless(clean_logits(scene)).any():
            return  # no twin is to blame for that; FiniteAnswers says what is wrong
        # What wrappers do before it both are given alike.
        measured = agreement(target.bare, scene.x[affordable(scene)])
        if not measured.holds:
            finding = distrust(measured)
            # No operator is at fault where the processor is.
            causes = (cause.remedy for cause in target.findings if cause.code == OVERFLOW)
            yield replace(finding, remedy=next(causes, finding.remedy))
