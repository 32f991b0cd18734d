"""What the checks that question a threat's attacks have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

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
    threshold: ClassVar[float] = 0.005
    """The share of all samples that further attacks may break, and nothing is doubted."""

    def inspect(self, scene: Scene) -> Iterator[Finding]:
        assert scene.inquiry is not None
        yield from self.ask(scene, scene.inquiry)

    def ask(self, scene: Scene, inquiry: Inquiry) -> Iterator[Finding]:
        """What is wrong with the attacks under `inquiry.threat`."""
        raise NotImplementedError

    def escalate(
        self,
        inquiry: Inquiry,
        rungs: Iterable[AttackRun],
        doubt: Callable[[AttackRun], str],
        remedy: str,
        *,
        every: bool = False,
    ) -> Iterator[Finding]:
        """Attack further until it breaks no more: the doubt is settled if it comes to that before the rungs end.

        Args:
            rungs: attacks, each run when it is asked for. The first shows whether there is anything to doubt.
            doubt: says what is doubted, of the first of them.
            every: go on to the last of them, since they look in different places.
        """
        broken, calm = 0, True
        for run in rungs:
            broken += run.broken
            calm = not more_than_few(run.broken, inquiry.total, self.threshold)
            if not inquiry.doubts and calm:
                return
            if not inquiry.doubts:
                inquiry.doubt(doubt(run))
            if (calm and not every) or run.status != "ran":
                break
        else:
            if not inquiry.doubts:
                return
        told = f"{' '.join(inquiry.doubts)} "
        if (calm and run.status == "ran") or not len(inquiry.standing):
            yield self.mended(f"{told}{run.name} was the last to look; all {broken} that fell are counted.")
            return
        why = f" ({run.status}: {run.reason})" if run.status != "ran" else ""
        yield self.finding(Severity.INCONCLUSIVE, f"{told}{run.name} still broke {run.broken}{why}.", remedy)

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


def strongest(inquiry: Inquiry) -> AttackRun | None:
    """Of the kind of climb (attack and loss) that broke the most samples, the run with the most steps."""
    known, fell = climbs(inquiry), dict[tuple[str, object], int]()
    for run in known:
        fell[kind(run)] = fell.get(kind(run), 0) + run.broken
    return max(known, key=lambda run: (fell[kind(run)], int(run.parameters["steps"])), default=None)


def longest_query(inquiry: Inquiry) -> AttackRun | None:
    """The attack of the plan that asked the most questions of each sample, where none follows gradients."""
    asked = [run for run in inquiry.runs if run.attacked and not run.because and run.parameters.get("queries")]
    if any(run.access == Access.GRADIENTS and run.attacked for run in inquiry.runs):
        return None
    return max(asked, key=lambda run: int(run.parameters["queries"]), default=None)


def kind(run: AttackRun) -> tuple[str, object]:
    """Attacks of one kind find the same things with more of the same passes."""
    return run.attack, run.parameters.get("loss")


def one_restart(run: AttackRun, steps: int, **changes: Any) -> dict[str, Any]:
    """The parameters of one restart of a climb, towards one class, from a point of its own, with so many steps."""
    own = {"steps": steps, "restarts": 1, "targets": 1, "start": "surface"}
    kept = {key: value for key, value in own.items() if key in run.parameters}
    return {**run.parameters, **kept, **changes}
