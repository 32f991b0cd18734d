"""One threat when all is done: what its standing and its attacks say, as the record holds it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from auditor.engine.outlook import outlook
from auditor.engine.sequential import of_audited, told
from auditor.result.anytime import anytime
from auditor.result.expectation import share_interval
from auditor.result.record import INHERITED, ThreatResult
from auditor.result.smallest import smallest
from auditor.result.statistics import clopper_pearson
from auditor.result.worst_class import worst_class
from auditor.types import Norm

if TYPE_CHECKING:
    from auditor.check import Finding
    from auditor.engine.standing import Standing
    from auditor.result.record import AttackRun
    from auditor.settings import Settings
    from auditor.types import Threat

_STANDS = ("robust", "not_evaluated")


@dataclass(eq=False)
class Done:
    """A threat, what is known of every sample under it, what each attack did, and further keys of the record."""

    threat: Threat
    standing: Standing
    runs: list[AttackRun]
    facts: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    """What the checks say of its attacks."""

    def result(self, settings: Settings, *, eight_bit: bool) -> ThreatResult:
        """The record. Where no attack ran at all, nobody is called robust."""
        threat, standing, n = self.threat, self.standing, len(self.standing.clean.labels)
        if not any(run.name != INHERITED and (run.status == "ran" or run.attacked) for run in self.runs):
            standing.cut.update(i for i in standing.standing().tolist() if i not in standing.broken_by)
        outcomes = [standing.outcome(i) for i in range(n)]
        robust, unknown = outcomes.count("robust"), outcomes.count("not_evaluated")
        fragile = sum(not found.survives_rounding for _, found in standing.broken_by.values())
        rounded = eight_bit and not threat.minimal and not unknown
        interval = share_interval(robust, n, self.facts.get("expectation"), settings.confidence)
        made = ThreatResult(
            norm=threat.norm,
            eps=threat.eps,
            goal=settings.goal,
            robust_accuracy=None if unknown else robust / n,
            robust_interval=None if unknown else interval,
            robust_upper_bound=(robust + unknown) / n,
            not_evaluated=unknown,
            robust_accuracy_8bit=(robust + fragile) / n if rounded else None,
            attacks=tuple(self.runs) if standing.among is None else of_audited(self.runs, standing),
        )
        stands = ((int(standing.clean.labels[i]), outcomes[i] in _STANDS) for i in standing.audited.tolist())
        # Where looking decides when to stop, an interval has to hold however often one looks.
        kind = clopper_pearson if standing.among is None else anytime
        worst = None if threat.minimal else worst_class(stands, settings.confidence, kind)
        sequential = told(standing, settings.confidence)
        if sequential is not None and not unknown:
            made = made.model_copy(update={"robust_interval": sequential.interval})
        return made.model_copy(
            update=self.facts | self._outlook(settings) | {"sequential": sequential, "worst_class": worst}
        )

    def _outlook(self, settings: Settings) -> dict[str, Any]:
        """How small the smallest changes are; or what more passes would find."""
        standing, confidence = self.standing, settings.confidence
        if self.threat.minimal:
            right = standing.clean.correct.nonzero()[0].tolist()
            broken = standing.broken_by
            sizes = [broken[i][1].distance if i in broken else math.inf for i in right]
            return {"smallest": smallest(sizes, len(standing.clean.labels) - len(right), confidence)}
        # Corruptions are tried one by one, once each: more passes would find nothing more.
        if self.threat.norm is Norm.CORRUPTION:
            return {}
        early = any(run.stopped for run in self.runs)
        return {"forecast": outlook(standing, confidence, settings.tolerance or None, stopped_early=early)}
