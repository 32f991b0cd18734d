"""What is left of the examples when they are saved as images?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from auditor.check import Finding, Severity, Stage
from auditor_checks._base import TrustCheck, percent

if TYPE_CHECKING:
    from auditor.engine.scene import Scene

_SHOWN, _WARNED = 0.01, 0.9
_FEW = 10
_LEVEL = 1.0 / 255.0


class EightBits(TrustCheck):
    """Examples that fool the model fool it as 8-bit images too.

    Seen: many examples no longer fool the model once they are rounded to 8 bits.
    Means: the attack lives in fractions of a gray level. Where attackers hand in image files the model withstands more
        than its robust accuracy says; and a model that answers otherwise off the grid of images may hide from attacks.
    Measured: robust accuracy where an example counts only if one of three 8-bit images made from it inside the budget
        fools the model too, less robust accuracy. For data that is 8-bit images, per threat.
    Threshold: a difference of more than one point is told. Where more than 90 % of ten or more examples die, in budgets
        of a level and more, it is a warning (proposed): the first example that an attack finds lies just beyond the
        border, so of honest networks up to 40 % died, and of those whose border only queries found up to 80 %.
    Do: say which of the two numbers you mean; both are in the report.
    """

    code: ClassVar[str] = "AUD303"
    title: ClassVar[str] = "Rounded to 8 bits, many examples no longer fool the model"
    stage: ClassVar[Stage] = Stage.AUDIT

    def inspect(self, scene: Scene) -> Iterator[Finding]:
        result = scene.result
        for threat in result.threats if result else ():
            exact, rounded = threat.robust_accuracy, threat.robust_accuracy_8bit
            if exact is None or rounded is None or round((rounded - exact) * len(scene.samples)) < 2:
                continue
            if (gap := rounded - exact) > _SHOWN:
                broken = ((result.clean_accuracy if result else None) or 1.0) - exact
                most = gap > _WARNED * broken and broken * len(scene.samples) >= _FEW
                wide = most and not (threat.norm == "linf" and threat.eps < _LEVEL)
                yield self.finding(
                    Severity.WARN if wide else Severity.INFO,
                    f"In {threat.said}, robust accuracy is {percent(exact)}, and {percent(rounded)} against examples "
                    f"that survive as 8-bit images.",
                    "Say which of the two numbers you mean; attackers who hand in image files meet the second.",
                    evidence={"robust accuracy": exact, "robust accuracy against 8-bit images": rounded},
                )
