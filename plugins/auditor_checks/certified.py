"""Do proofs and examples agree?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from auditor.check import Finding, Severity, Stage
from auditor_checks._base import TrustCheck, percent

if TYPE_CHECKING:
    from auditor.engine.scene import Scene


class ProofAgainstExample(TrustCheck):
    """What is proven to stand was not broken.

    Seen: a larger share of samples is certified than withstood the attacks.
    Means: at least one sample has both a proof that it has no example and an example that the referee confirmed. One of
        the two is wrong, so there is an error in this tool, in the verifier or in the arithmetic of the model.
    Measured: certified accuracy against the share of samples that was not shown to be broken, per threat.
    Threshold: any sample (proposed).
    Do: rely on neither number, and report it with the run directory.
    """

    code: ClassVar[str] = "AUD307"
    title: ClassVar[str] = "A proof and an example contradict each other"
    stage: ClassVar[Stage] = Stage.AUDIT

    def inspect(self, scene: Scene) -> Iterator[Finding]:
        n = len(scene.samples)
        for threat in scene.result.threats if scene.result else ():
            certified = threat.certified_accuracy
            if certified is None or round((certified - threat.robust_upper_bound) * n) < 1:
                continue
            yield self.finding(
                Severity.BLOCK,
                f"In {threat.said}, {percent(certified)} of the samples are certified, and only "
                f"{percent(threat.robust_upper_bound)} withstood the attacks.",
                "Rely on neither number, and report it with the run directory.",
                evidence={"certified accuracy": certified, "not shown to be broken": threat.robust_upper_bound},
            )
