"""Did the attacks' own examples hold?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from auditor.check import Finding, Severity, Stage
from auditor_checks._base import TrustCheck, share

if TYPE_CHECKING:
    from auditor.engine.scene import Scene

_TOLERATED = 0.005


class RefutedExamples(TrustCheck):
    """What attacks believe to be adversarial is confirmed by the referee.

    Seen: examples that fooled what an attack looked at, and not the deployed model when it was asked again, alone and
        in a batch.
    Means: these samples are counted as robust, though they are balanced on an edge: the answer depends on the batch,
        on chance, or on the difference between the twin and the runtime (auto-attack #74, foolbox #243).
    Measured: refuted candidates among all candidates of the attacks, per threat.
    Threshold: more than 0.5 % make the audit inconclusive (proposed). Of a model that answers at random candidates are
        refuted by chance, and only told of.
    Do: see AUD107, AUD108 and AUD114 for the cause; audit with `--batch-size 1`, or on the CPU.
    """

    code: ClassVar[str] = "AUD302"
    title: ClassVar[str] = "Adversarial examples did not survive the second look"
    stage: ClassVar[Stage] = Stage.AUDIT

    def inspect(self, scene: Scene) -> Iterator[Finding]:
        for threat in scene.result.threats if scene.result else ():
            refuted = sum(run.refuted for run in threat.attacks)
            candidates = refuted + sum(run.broken for run in threat.attacks if run.access)
            if refuted > _TOLERATED * candidates:
                names = ", ".join(f"{run.name} {run.refuted}" for run in threat.attacks if run.refuted)
                yield self.finding(
                    Severity.INCONCLUSIVE if scene.target.draws == 1 else Severity.INFO,
                    f"In {threat.said}, {share(refuted, candidates)} candidates were refuted "
                    f"({names}) and are not counted.",
                    "See whether AUD107, AUD108 or AUD114 names the cause; audit with --batch-size 1, or on the CPU.",
                    evidence={"refuted": refuted, "candidates": candidates},
                )
