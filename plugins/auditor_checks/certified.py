"""Do proofs and examples agree?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from auditor.check import Finding, Severity, Stage
from auditor.result.statistics import binomial_tail
from auditor_checks._base import TrustCheck, percent

if TYPE_CHECKING:
    from auditor.engine.scene import Scene

_CHANCE = 0.001


class ProofAgainstExample(TrustCheck):
    """What is proven to stand was not broken.

    Seen: samples with a proof that were broken, or more samples certified than withstood the attacks.
    Means: at least one sample has both a proof that it has no example and an example that the referee confirmed. One of
        the two is wrong, so there is an error in this tool, in the verifier or in the arithmetic of the model.
    Measured: samples that have both, per threat, where proofs are known sample by sample; else certified accuracy
        against the share of samples that was not shown to be broken.
    Threshold: any sample (proposed). Where each proof may be wrong with a probability of `alpha`, more samples than
        that explains with a probability of a thousandth (exact binomial test).
    Do: rely on neither number, and report it with the run directory.
    """

    code: ClassVar[str] = "AUD307"
    title: ClassVar[str] = "A proof and an example contradict each other"
    stage: ClassVar[Stage] = Stage.AUDIT

    def inspect(self, scene: Scene) -> Iterator[Finding]:
        n = len(scene.samples)
        for threat in scene.result.threats if scene.result else ():
            certified, both = threat.certified_accuracy, threat.certified_broken
            if certified is None:
                continue
            if both is not None:
                alpha = scene.result.certificate.alpha if scene.result and scene.result.certificate else 0.0
                contradicted = binomial_tail(both, round(certified * n), alpha) < _CHANCE
                told = f"In {threat.said}, {both} samples were broken that are certified."
            else:
                contradicted = round((certified - threat.robust_upper_bound) * n) >= 1
                told = (
                    f"In {threat.said}, {percent(certified)} of the samples are certified, and only "
                    f"{percent(threat.robust_upper_bound)} withstood the attacks."
                )
            if not contradicted:
                continue
            yield self.finding(
                Severity.BLOCK,
                told,
                "Rely on neither number, and report it with the run directory.",
                evidence={"certified accuracy": certified, "not shown to be broken": threat.robust_upper_bound},
            )
