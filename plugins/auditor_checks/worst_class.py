"""Does the mean hide a class that falls?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from auditor.check import Finding, Severity, Stage
from auditor_checks._base import TrustCheck, percent, share

if TYPE_CHECKING:
    from auditor.engine.scene import Scene

_GAP = 0.15


class WorstClass(TrustCheck):
    """Every class withstands about as much as the mean.

    Seen: one class lies far below the mean of all samples, further than chance explains.
    Means: the robust accuracy is right, and does not hold for this class. Who cares about one class more than about
        the others must look at its own number.
    Measured: the share of each class's samples that is right and was not broken, per threat. The interval of the worst
        is exact, and corrected for how many classes there are, since it was picked after looking.
    Threshold: a gap of more than 15 points to the mean (proposed), with the whole corrected interval below the mean.
        It is information: a number that is right is no doubt about the evaluation.
    Do: look at the report's table of classes; gather samples of the class, or weigh it more in training.
    """

    code: ClassVar[str] = "AUD309"
    title: ClassVar[str] = "One class withstands far less than the mean"
    stage: ClassVar[Stage] = Stage.AUDIT

    def inspect(self, scene: Scene) -> Iterator[Finding]:
        names = scene.result.classes if scene.result else None
        for threat in scene.result.threats if scene.result else ():
            worst = threat.worst_class
            if worst is None or worst.gap <= _GAP or worst.interval[1] >= worst.share + worst.gap:
                continue
            name = names[worst.label] if names and 0 <= worst.label < len(names) else str(worst.label)
            low, high = map(percent, worst.interval)
            yield self.finding(
                Severity.INFO,
                f"In {threat.said}, {share(round(worst.share * worst.n), worst.n)} samples of class {name} stand, "
                f"{100.0 * worst.gap:.1f} points less than of all; its interval, corrected for {worst.classes} "
                f"classes, is {low} to {high}.",
                "See the report's table of classes.",
            )
