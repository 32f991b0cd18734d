"""Did every attack of the suite run?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from auditor.check import Finding, Severity, Stage
from auditor.result.record import OVERSPENT
from auditor_checks._base import TrustCheck

if TYPE_CHECKING:
    from auditor.engine.scene import Scene
    from auditor.result.record import AttackRun, ThreatResult


class SuiteComplete(TrustCheck):
    """Every attack of the suite ran to its end.

    Seen: attacks that failed, ran out of time, or did not fit the model or the threat.
    Means: robust accuracy is a worst case over the attacks that ran. One that failed might have broken more, so what
        it did not look at is not robust but unknown.
    Measured: the status of each attack of the plan, per threat.
    Threshold: any failed or timed out attack makes the audit inconclusive; one that `--max-passes` cut is a warning; a
        skipped one is information, unless there was nothing for it to do (proposed).
    Do: raise `--time-limit` and continue with `--resume`; raise `--max-passes`; report a failed attack to whoever ships
        it, or name the attacks you want with `--attack`.
    """

    code: ClassVar[str] = "AUD305"
    title: ClassVar[str] = "The suite is incomplete"
    stage: ClassVar[Stage] = Stage.AUDIT

    def inspect(self, scene: Scene) -> Iterator[Finding]:
        for threat in scene.result.threats if scene.result else ():
            unfinished = [run for run in threat.attacks if run.status in ("failed", "timed out")]
            skipped = [run for run in threat.attacks if run.status == "skipped" and not run.needless]
            if unfinished:
                late = any(run.status == "timed out" for run in unfinished)
                yield self.finding(
                    Severity.INCONCLUSIVE,
                    _told(threat, unfinished),
                    "Raise --time-limit and continue with --resume."
                    if late
                    else "Report it to whoever ships the attack, or leave it out by naming the others with --attack.",
                )
            cut = [run for run in threat.attacks if OVERSPENT in run.reason]
            if cut:
                yield self.finding(
                    Severity.WARN, _told(threat, cut), "Raise --max-passes.", title="Attacks were cut by --max-passes"
                )
            # Of its own further attacks each check tells itself.
            skipped = [run for run in skipped if run not in cut and not run.because]
            if skipped:
                yield self.finding(Severity.INFO, _told(threat, skipped), title="Attacks that do not fit were skipped")


def _told(threat: ThreatResult, runs: list[AttackRun]) -> str:
    return f"In {threat.said}: " + "; ".join(f"{r.name} {r.status} ({r.reason})" for r in runs) + "."
