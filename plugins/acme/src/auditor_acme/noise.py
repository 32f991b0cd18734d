"""Do samples that withstood fall to plain noise, if there is enough of it?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from auditor import Check, Finding, Scene, Severity, Stage


class MoreNoise(Check):
    """Two hundred draws of noise break no more samples.

    Seen: noise in the corners of the budget broke samples that stand.
    Means: whoever sees gradients should have found them (Carlini et al., arXiv:1902.06705).
    Measured: two hundred draws on the samples that came closest.
    Threshold: more than one sample (proposed).
    Do: run `--suite thorough`.
    """

    code: ClassVar[str] = "ACME001"
    title: ClassVar[str] = "Noise breaks what attacks left"
    stage: ClassVar[Stage] = Stage.INQUIRY

    def inspect(self, scene: Scene) -> Iterable[Finding]:
        inquiry = scene.inquiry
        if inquiry is None:  # at this stage it is there
            return
        run = inquiry.attack("noise", inquiry.closest(inquiry.room(each=200)), draws=200)
        inquiry.show(**{"broken by noise": run.broken})
        if run.broken < 2:
            return
        inquiry.doubt(f"{run.broken} samples fell to noise alone.")
        again = inquiry.attack("apgd", loss="margin", steps=200, restarts=5)
        severity = Severity.INFO if again.broken else Severity.INCONCLUSIVE
        yield Finding(
            code=self.code,
            severity=severity,
            title=self.title,
            detail=f"{inquiry.doubts[0]} A longer search broke {again.broken} more.",
            remedy="Run --suite thorough.",
        )
