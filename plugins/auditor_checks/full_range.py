"""An attack that may change everything breaks everything."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from auditor.check import Finding, Severity, plot
from auditor.types import Norm
from auditor_checks._answers import once
from auditor_checks._base import percent, share
from auditor_checks._inquiry import InquiryCheck, strongest
from auditor_checks._outdone import counted, heard
from auditor_checks._ways import and_queries, leading, reaching

if TYPE_CHECKING:
    from auditor.engine.inquiry import Inquiry
    from auditor.engine.scene import Scene
    from auditor.result.record import AttackRun
    from auditor.types import Threat

_MOST, _LEAST = 16, 4
_ABOVE_CHANCE = 0.02


@dataclass
class Series:
    """The plan's leading attack on some standing samples, with twice the budget each time, until all fell or the
    budget is the whole range.

    Attributes:
        tried: positions of the samples.  survivors: of those that no budget broke.
        eps, surviving: the budgets, and how many samples withstood each.
        ended: whether no attack was cut short.
    """

    run: AttackRun
    tried: np.ndarray
    survivors: np.ndarray
    eps: list[float] = field(default_factory=list)
    surviving: list[int] = field(default_factory=list)
    ended: bool = True

    def evidence(self, inquiry: Inquiry) -> dict[str, Any]:
        """The curve of the accuracy over the budget: the standing samples that were tried speak for the others."""
        n, standing = inquiry.total, len(inquiry.standing)
        accuracy = [standing / n * left / len(self.tried) for left in self.surviving]
        start = [(0.0, len(inquiry.correct) / n), (inquiry.threat.eps, standing / n)]
        curve = [*start, *zip(self.eps, accuracy, strict=True)]
        return {
            "samples": len(self.tried),
            "survivors": self.survivors.tolist(),
            "plot": plot(
                [eps for eps, _ in curve],
                [value for _, value in curve],
                f"budget, {inquiry.threat.norm}",
                f"accuracy under {self.run.name}",
                threshold=1.0 / inquiry.target.num_classes,
            ),
        }


@once
def series_of(inquiry: Inquiry) -> Series | None:
    """The series of this threat, made once for all checks that look at it; None where there is no room for one."""
    run, standing = leading(inquiry), inquiry.standing
    if run is None or len(standing) < _LEAST:
        return None
    some = inquiry.affordable(standing, 2 * inquiry.cost(run.attack, **run.parameters), _MOST)
    if len(some) < _LEAST:
        return None
    series = Series(run, some, some)
    threat, whole = inquiry.threat, whole_range(inquiry.threat, inquiry.batches.samples.shape)
    while len(series.survivors) and threat.eps < whole:
        threat = replace(threat, eps=min(2.0 * threat.eps, whole))
        trial = inquiry.trial(run.attack, series.survivors, threat=threat, **run.parameters)
        series.ended &= trial.ended
        series.survivors = series.survivors[~trial.fell]
        if threat.eps >= whole:
            series.survivors = _by_steps(inquiry, run, series.survivors, threat)
        series.eps.append(threat.eps)
        series.surviving.append(len(series.survivors))
    return series


def _by_steps(inquiry: Inquiry, run: AttackRun, survivors: np.ndarray, threat: Threat) -> np.ndarray:
    """Of what an attack left those that the plan's best attack in steps leaves too: a single step across the whole
    range goes past examples of sound models."""
    best = strongest(inquiry)
    if best is None or best.name == run.name or not len(survivors):
        return survivors
    trial = inquiry.trial(best.attack, survivors, threat=threat, **best.parameters)
    left: np.ndarray = survivors[~trial.fell]
    return left


def whole_range(threat: Threat, shape: tuple[int, ...]) -> float:
    """The budget within which every image is."""
    entries = float(math.prod(shape))
    return 1.0 if threat.norm is Norm.LINF else math.sqrt(entries) if threat.norm is Norm.L2 else entries


class UnboundedAttack(InquiryCheck):
    """With the whole range for a budget, every sample falls.

    Seen: samples that the plan's leading attack does not break, though it may turn them into any other image.
    Means: the attack does not work on them: an example exists, so only the search can fail (Carlini et al.,
        arXiv:1902.06705; Athalye et al., arXiv:1802.00420). What stands within the budget was attacked no better.
    Measured: up to 16 samples that stand, under the largest budget of a norm, by the plan's attack that broke most;
        the budget is doubled until all fell or it is the whole range; what is left there the plan's best attack in
        steps tries too. Survivors are tried there with other losses,
        gradients past rounding, more starts, and queries alone; what breaks them, and queries in any case, are run on
        all that stand within the threat, with twice the effort each time until that breaks no more.
    Threshold: two survivors raise the doubt (Pintor et al., arXiv:2106.09947: any). It stays as a warning where two are
        left in the end or the search is not done, and makes the audit inconclusive where they are more of those tried
        than chance (1/classes, as in ART).
    Do: look at the survivors, which the evidence names: a model that recognises an attack refuses to move, and one
        without gradients cannot be moved by them.
    """

    code: ClassVar[str] = "AUD203"
    title: ClassVar[str] = "An unbounded attack does not break everything"
    once: ClassVar[bool] = True

    def ask(self, scene: Scene, inquiry: Inquiry) -> Iterator[Finding]:
        series = series_of(inquiry)
        if series is None:
            return
        inquiry.show(**series.evidence(inquiry))
        survivors = series.survivors
        if len(survivors) < 2 or not series.ended:
            return
        inquiry.doubt(
            f"{share(len(survivors), len(series.tried))} samples withstood {series.run.name} though it might change "
            "everything."
        )
        whole = replace(inquiry.threat, eps=whole_range(inquiry.threat, inquiry.batches.samples.shape))
        ways, left = reaching(inquiry, survivors, whole)
        settled = bool(ways) and and_queries(inquiry, ways)
        series.survivors, series.surviving[-1] = left, len(left)
        told = f"{inquiry.doubts[0]} {heard(ways, len(survivors) - len(left), len(survivors))}"
        inquiry.show(**series.evidence(inquiry))
        if settled and len(left) < 2:
            yield self.mended(f"{told} {counted(inquiry)}")
            return
        grave = len(left) > max(1.0, len(series.tried) / inquiry.target.num_classes) or not settled
        yield self.finding(
            Severity.INCONCLUSIVE if grave else Severity.WARN,
            f"{told} {counted(inquiry)} Samples {', '.join(map(str, survivors[:10].tolist()))} show it.",
            "Give the model without what recognises or hides attacks, or look at the samples named.",
        )


class FallsToChance(InquiryCheck):
    """Accuracy falls to chance before the budget is the whole range.

    Seen: the curve of the accuracy over the budget does not come down to what guessing gives.
    Means: nobody recognises an image of which every pixel may be chosen by an adversary, so the attacks fail and the
        curve is too high, most likely from its beginning (Carlini et al., arXiv:1902.06705).
    Measured: the curve of AUD203, once its doubts are settled: the samples that stand and were tried speak for the
        others.
    Threshold: more than 2 points above 1/classes at the whole range, by two samples that were tried (proposed).
    Do: as for AUD203; the evidence holds the curve.
    """

    code: ClassVar[str] = "AUD206"
    title: ClassVar[str] = "Accuracy does not fall to chance"
    once: ClassVar[bool] = True

    def ask(self, scene: Scene, inquiry: Inquiry) -> Iterator[Finding]:
        series = series_of(inquiry)
        if series is None or not series.ended or not series.eps:
            return
        inquiry.show(**series.evidence(inquiry))
        left = len(series.survivors)
        accuracy = len(inquiry.standing) / inquiry.total * left / len(series.tried)
        chance = 1.0 / inquiry.target.num_classes
        if left < 2 or accuracy <= chance + _ABOVE_CHANCE:
            return
        inquiry.doubt(f"With {inquiry.threat.norm} {series.eps[-1]:.4g}, accuracy is {percent(accuracy)}.")
        yield self.finding(
            Severity.INCONCLUSIVE,
            f"{inquiry.doubts[0]} Guessing gives {percent(chance)}: attacks that may choose every pixel fail.",
            "Read AUD203, and give the model without what recognises or hides attacks.",
        )
