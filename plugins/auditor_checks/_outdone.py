"""What a simple attack breaks, a strong one breaks too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from auditor.check import Finding, Severity
from auditor.types import Norm
from auditor_checks._base import share
from auditor_checks._inquiry import InquiryCheck, climbs, more_than_few
from auditor_checks._ways import FEW, Way, and_queries, following_gradients, gone_on, reaching

if TYPE_CHECKING:
    from auditor.engine.inquiry import Inquiry
    from auditor.engine.scene import Scene
    from auditor.result.record import AttackRun


class Outdone(InquiryCheck):
    """A check that has samples which the attack called `simple` broke first tried by the plan's best iterative one."""

    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF, Norm.L2, Norm.L1})
    simple: ClassVar[str]
    called: ClassVar[str]

    def alone(self, inquiry: Inquiry) -> bool:
        """Whether the plan has nothing better."""
        raise NotImplementedError

    def ask(self, scene: Scene, inquiry: Inquiry) -> Iterator[Finding]:
        if self.alone(inquiry):
            yield from self._without_it(inquiry)
        else:
            yield from self._against_it(inquiry)

    def _without_it(self, inquiry: Inquiry) -> Iterator[Finding]:
        """Do many steps along gradients find what the plan, which takes none, left?"""
        if inquiry.target.twin is None or not len(inquiry.standing):
            return
        # That nothing climbed is seen without a pass.
        inquiry.doubt(f"What stands withstood {self.called}, the plan's all.")
        way = following_gradients(inquiry.threat.norm)[0]
        settled = gone_on(inquiry, way)
        told = f"{inquiry.doubts[0]} {counted(inquiry)}"
        yield (
            self.mended(told)
            if settled
            else self.finding(Severity.INCONCLUSIVE, told, "Run a suite, or name an attack that takes many steps.")
        )

    def _against_it(self, inquiry: Inquiry) -> Iterator[Finding]:
        """Does the plan's best iterative attack break what the simple one broke?"""
        fallen, best = inquiry.broken_by(self.simple), most_broken(inquiry)
        if best is None or not len(fallen):
            return
        some = inquiry.affordable(fallen, inquiry.cost(best.attack, **best.parameters))
        if len(some) < 2:
            return
        trial = inquiry.trial(best.attack, some, **best.parameters)
        missed = some[~trial.fell]
        inquiry.show(
            **{f"broken by {self.simple}": len(fallen), "tried again": len(some), f"missed by {best.name}": len(missed)}
        )
        whole = len(missed) * len(fallen) / len(some)
        if not trial.ended or len(missed) < 2 or not more_than_few(int(whole), inquiry.total, FEW):
            return
        inquiry.doubt(f"{best.name} missed {share(len(missed), len(some))} samples that {self.simple} broke.")
        ways, left = reaching(inquiry, missed)
        settled = self.searched(inquiry, ways)
        told = f"{inquiry.doubts[0]} {heard(ways, len(missed) - len(left), len(missed))}"
        if settled and len(left) < 2:
            yield self.mended(f"{told} {counted(inquiry)}")
            return
        yield self.finding(
            Severity.INCONCLUSIVE,
            f"{told} {counted(inquiry)}" if len(left) < 2 else f"{told} {len(left)} of them no better attack broke.",
            "Gradients are masked: give the model without what hides them, or read AUD202 and AUD221.",
        )

    def searched(self, inquiry: Inquiry, ways: list[Way]) -> bool:
        """Whether all that stand were searched in these ways until that paid no more."""
        return and_queries(inquiry, ways)


def most_broken(inquiry: Inquiry) -> AttackRun | None:
    """Of the attacks of the plan that follow gradients in steps, the one that broke most."""
    return max((run for run in climbs(inquiry) if run.status == "ran"), key=lambda run: run.broken, default=None)


def heard(ways: list[Way], reached: int, n: int) -> str:
    """Which ways broke how many of the samples in doubt."""
    if not ways:
        return "Neither other losses, starts and gradients nor queries broke them."
    return f"With {', then '.join(way.said for way in ways)}, {reached} of the {n} fell."


def counted(inquiry: Inquiry) -> str:
    """What further attacks broke of the samples that stood."""
    broken = sum(run.broken for run in inquiry.tried)
    idle = next((run for run in inquiry.tried if run.status != "ran" and run.attacked == 0 and not broken), None)
    if idle is not None and len(inquiry.standing):
        return f"All that stand were not searched so: {idle.reason}."
    return f"So searched, {share(broken, inquiry.total)} more fell, and are counted."
