"""What an audit says of itself: findings that no check makes, since they are of the audit and not of the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from auditor.check import Finding, Severity
from auditor.errors import AuditorError
from auditor.formats import words
from auditor.result.record import INHERITED, ModelResult, ThreatResult
from auditor.result.record import Finding as FindingRecord
from auditor.types import Norm

if TYPE_CHECKING:
    from auditor.engine.standing import Clean
    from auditor.result.certificate import Proof
    from auditor.target.base import Target

NOT_AUDITED = "AUD001"
NOTHING_RAN = "AUD003"
UNANSWERED = "AUD004"
COLOURLESS = "AUD125"
UNCERTIFIED = "AUD130"
# Where nothing looks for the smallest change, a few budgets trace the curve.
_BUDGETS = {Norm.FLOW: ("0.5", "1", "2"), Norm.PATCH: ("0.02", "0.05", "0.1")}


def not_audited(error: AuditorError) -> Finding:
    """The model could not be loaded, bound or asked."""
    return Finding(
        code=NOT_AUDITED,
        severity=Severity.BLOCK,
        title="The model could not be audited",
        detail=str(error),
        remedy="",
    )


def nothing_ran(threats: Sequence[ThreatResult]) -> Iterator[Finding]:
    """Threats under which no attack could run."""
    for threat in threats:
        ran = [run for run in threat.attacks if run.status == "ran" and run.name != INHERITED]
        if not ran and threat.not_evaluated:
            reasons = "; ".join(sorted({f"{run.name} {run.status}: {run.reason}" for run in threat.attacks}))
            yield Finding(
                code=NOTHING_RAN,
                severity=Severity.INCONCLUSIVE,
                title=f"No attack could run in {words.threat(threat.norm, threat.eps)}",
                detail=reasons or f"No attack looks for the smallest change in {threat.norm}.",
                remedy=_what_could_run(threat),
            )


def _what_could_run(threat: ThreatResult) -> str:
    norm = threat.norm
    if any(run.status in ("timed out", "failed") for run in threat.attacks):
        return "Give more time with --time-limit, or name another attack with --attack."
    if threat.minimal and norm in _BUDGETS:
        several = " ".join(f"--eps {norm}:{budget}" for budget in _BUDGETS[norm])
        return f"Ask for budgets, which are attacked one by one: {several}; each says how many samples stand."
    return "Name an attack that fits with --attack, or install one."


def uncertified(target: Target, proofs: Sequence[Proof]) -> Iterator[Finding]:
    """A wrapper that proves something was not given the time to."""
    if not proofs and any(wrapper.certifies for wrapper in target.wrapped.wrappers):
        yield Finding(
            code=UNCERTIFIED,
            severity=Severity.WARN,
            title="The certificate was not finished",
            detail="The time limit was reached before every sample had its proof, so nothing is certified.",
            remedy="Raise --time-limit and continue with --resume, or have fewer answers: --wrapper smoothing:n=500.",
        )


def colourless(names: Sequence[str]) -> Iterator[Finding]:
    """Corruptions that were asked for and cannot change these samples."""
    if names:
        yield Finding(
            code=COLOURLESS,
            severity=Severity.INFO,
            title="Corruptions of colour do not apply to gray samples",
            detail=f"{', '.join(names)} would change nothing, so they were not evaluated and count in no mean.",
            remedy="Give colour images if that is what the model sees when it is deployed.",
        )


def all_wanted(clean: Clean) -> Iterator[Finding]:
    """A targeted goal that no sample is left for."""
    if clean.correct.any() and not clean.attackable.any():
        yield Finding(
            code=NOTHING_RAN,
            severity=Severity.INCONCLUSIVE,
            title="Every sample is of the class that is wanted",
            detail="Nothing can be turned into what it is, so no attack ran and the samples stand untried.",
            remedy="Name another class with --goal, or audit samples of other classes.",
        )


def unanswered(threats: Sequence[ThreatResult]) -> Iterator[Finding]:
    """Threats under which the model answered NaN."""
    for threat in threats:
        count = max((run.unanswered for run in threat.attacks), default=0)
        if count:
            yield Finding(
                code=UNANSWERED,
                severity=Severity.INCONCLUSIVE,
                title="The model answers NaN inside the budget",
                detail=f"In {words.threat(threat.norm, threat.eps)} an attack met NaN near at least {count} samples. "
                f"They were not shown to be broken, and are not evaluated rather than robust.",
                remedy="Look for overflow: a narrow float type, a logarithm or a division near zero.",
            )


def blocked(source: str, error: AuditorError | None) -> ModelResult:
    """The result of a model that did not even load."""
    finding = not_audited(error or AuditorError("The model could not be loaded."))
    return ModelResult(
        name=Path(source).stem or source,
        path=source,
        sha256="",
        format="unknown",
        gradients="none",
        clean_accuracy=None,
        clean_interval=None,
        findings=(FindingRecord.of(finding),),
    )
