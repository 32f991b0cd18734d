"""What the checks that question a threat's attacks have in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from auditor.check import Finding, Severity, Stage
from auditor.types import Access
from auditor_checks._base import TrustCheck

if TYPE_CHECKING:
    from auditor.engine.inquiry import Inquiry
    from auditor.engine.scene import Scene
    from auditor.result.record import AttackRun


class InquiryCheck(TrustCheck):
    """A check of one threat's attacks. It doubts aloud (`inquiry.doubt`), tries to mend, and says what came of it."""

    stage: ClassVar[Stage] = Stage.INQUIRY

    def inspect(self, scene: Scene) -> Iterator[Finding]:
        assert scene.inquiry is not None
        yield from self.ask(scene, scene.inquiry)

    def ask(self, scene: Scene, inquiry: Inquiry) -> Iterator[Finding]:
        """What is wrong with the attacks under `inquiry.threat`."""
        raise NotImplementedError

    def mended(self, detail: str) -> Finding:
        """A doubt that further attacks settled: for information, since the number is the better for it."""
        return self.finding(Severity.INFO, detail, title=f"{self.title}; mended")


def more_than_few(k: int, n: int, share: float) -> bool:
    """Whether `k` of `n` samples are more than this share, and more than one."""
    return k > max(1.0, share * n)


def climbs(inquiry: Inquiry) -> list[AttackRun]:
    """What the attacks of the plan that follow gradients in steps did, the one with the most steps last."""
    seen = [run for run in inquiry.runs if run.access == Access.GRADIENTS and run.attacked and not run.because]
    return sorted((run for run in seen if run.parameters.get("steps")), key=lambda run: int(run.parameters["steps"]))
