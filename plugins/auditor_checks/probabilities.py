"""Are the outputs read as what they are?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from auditor.check import Finding, Severity
from auditor.target.head import Head
from auditor_checks._answers import clean_logits
from auditor_checks._base import TrustCheck

if TYPE_CHECKING:
    from auditor.engine.scene import Scene

_ROUNDING = 1e-5


class ProbabilityHead(TrustCheck):
    """Outputs that are probabilities are read as such.

    Seen: the model answers with probabilities, not with logits.
    Means: read as logits they would flatten every loss where the model is confident, which is where attacks start
        (AutoAttack's own check, Croce & Hein, arXiv:2003.01690). Their logarithm is used instead, which ranks the
        classes alike; what float32 rounded to 0 or 1 is lost to gradients all the same.
    Measured: how the outputs are read; and whether rows read as logits lie in [0, 1] and sum to 1.
    Threshold: to within 1e-5 on all preflight samples (AutoAttack).
    Do: nothing where it is information. Give the version without its softmax where AUD113 warns of zero gradients.
    """

    code: ClassVar[str] = "AUD109"
    title: ClassVar[str] = "The model answers with probabilities"

    def inspect(self, scene: Scene) -> Iterator[Finding]:
        head = scene.target.head
        if "probabilit" in head:
            yield self.finding(Severity.INFO, f"Its outputs are read as {head}: attacks see their logarithm.")
        elif head is Head.LOGITS and _sums_to_one(scene):
            yield self.finding(
                Severity.WARN,
                f"On all {len(scene.x)} preflight samples the outputs lie in [0, 1] and sum to 1, and they are read "
                "as logits, so losses saturate.",
                "Let the loader of this model say that its head is probabilities, or give the model without softmax.",
                title="Probabilities are read as logits",
            )


def _sums_to_one(scene: Scene) -> bool:
    rows = clean_logits(scene).double()
    inside = (rows >= -_ROUNDING) & (rows <= 1.0 + _ROUNDING)
    return rows.shape[1] > 1 and bool(inside.all()) and bool(((rows.sum(1) - 1.0).abs() <= _ROUNDING).all())
