"""The checks ask a threat's attacks whether they worked; what they doubted, tried and found is written down."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from auditor.border import said
from auditor.check import Check, Finding, Severity, Stage
from auditor.engine.inquiry import LATE, NOT_ALLOWED, PATIENCE, SHARE, Inquiry
from auditor.engine.preflight import asked, broken_check
from auditor.errors import UsageError
from auditor.events import StageStarted
from auditor.result.plain import plain
from auditor.result.record import INHERITED, ISOLATED, OVERSPENT, CheckRun, Outcome

if TYPE_CHECKING:
    from auditor.engine.scene import Scene
    from auditor.result.record import ThreatResult

MISSED = "AUD005"
_WHY = {
    LATE: "the time limit was reached before",
    OVERSPENT: "--max-passes was spent before",
    NOT_ALLOWED: "--no-escalation forbids the attacks with which",
    ISOLATED: "--isolate allows no further attacks, with which alone",
}
_REMEDY = {
    LATE: "Raise --time-limit and continue with --resume.",
    OVERSPENT: "Raise --max-passes, in a run of its own.",
    NOT_ALLOWED: "Leave --no-escalation out where the number is to be trusted.",
    ISOLATED: "Leave --isolate out for the plugin of such a check.",
}
_GRAVE = (Severity.WARN, Severity.INCONCLUSIVE, Severity.BLOCK)


def bound(inquiry: Inquiry, suite: str) -> None:
    """Before the first check asks: a suite went on until that paid no more, or was a smoke test, of which what its own
    passes once more do not settle is for a longer suite. `suite` is empty where attacks were named."""
    inquiry.limit = PATIENCE * inquiry.batches.ring.draws * len(inquiry.standing)
    if suite == "quick":
        inquiry.limit = inquiry.spent
    elif suite:
        inquiry.least = 0.0


def inquiries(checks: Sequence[type[Check]], inquiry: Inquiry, *, largest: bool) -> list[type[Check]]:
    """The checks that look at this threat, in the order of their codes; `largest`: no larger budget follows."""
    threat = inquiry.threat
    if not any(run.status != "skipped" and run.name != INHERITED for run in inquiry.runs):
        return []  # Where everything had fallen before, there is nobody to question.
    fit = [c for c in checks if c.stage is Stage.INQUIRY and threat.norm in c.norms and not threat.minimal]
    return sorted((c for c in fit if largest or not c.once), key=lambda c: c.code)


def examine(
    checks: Sequence[type[Check]], scene: Scene, inquiry: Inquiry, *, largest: bool = True
) -> tuple[list[Finding], tuple[CheckRun, ...]]:
    """Let every check that fits the threat ask; one that breaks hurts only itself.

    While nothing is doubted they may spend a tenth of what the attacks spent (and `inquiry.least`), each an equal part
    of what is left.
    """
    asked = inquiries(checks, inquiry, largest=largest)
    suite = sum(run.forwards + run.backwards for run in inquiry.runs)
    left = max(SHARE * suite, inquiry.least)
    findings: list[Finding] = []
    made: list[CheckRun] = []
    for position, check in enumerate(asked):
        inquiry.begin(check.code, left / (len(asked) - position))
        run, told = _ask(check, replace(scene, inquiry=inquiry), inquiry)
        if not inquiry.doubts:
            left = max(0.0, left - run.forwards - run.backwards)
        made.append(run)
        findings += told
    return [*findings, *_missed(made, _said(inquiry))], tuple(made)


def _missed(made: Sequence[CheckRun], where: str) -> Iterator[Finding]:
    """Checks that neither time nor passes were left for, or that may not attack."""
    for why, told in _WHY.items():
        late = [run.code for run in made if run.outcome == "not looked at" and run.detail == why]
        if late:
            yield Finding(
                code=MISSED,
                severity=Severity.WARN,
                title="Not every check was made",
                detail=f"In {where}: {told} {', '.join(late)} could ask.",
                remedy=_REMEDY[why],
            )


def settled(
    findings: Sequence[Finding], checks: Sequence[type[Check]], threats: Sequence[ThreatResult]
) -> list[Finding]:
    """The findings before the attacks, those that inquiries under every threat settled as warnings."""
    at_rest = {code for check in checks for code in check.settles if all(_rests(check.code, t) for t in threats)}
    said = "What attacks made of that was asked, and no doubt stayed."
    return [
        replace(finding, severity=Severity.WARN, detail=f"{finding.detail} {said}")
        if threats and finding.code in at_rest and finding.severity is Severity.INCONCLUSIVE
        else finding
        for finding in findings
    ]


def _rests(code: str, threat: ThreatResult) -> bool:
    """Whether the check looked at this threat's attacks and is left without a doubt; or there was nobody to ask, or
    nothing left to doubt."""
    if threat.robust_accuracy == 0.0:
        return True
    asked = [run for run in threat.checks if run.code == code]
    idle = all(run.status == "skipped" or run.name == INHERITED for run in threat.attacks)
    # One that spent no pass has looked at nothing.
    settled = [run.outcome == "mended" or (run.outcome == "clear" and run.forwards > 0) for run in asked]
    return all(settled) and (bool(asked) or idle)


def _ask(check: type[Check], scene: Scene, inquiry: Inquiry) -> tuple[CheckRun, list[Finding]]:
    """What one check finds under the threat, and the record of its inquiry."""
    started, where = time.perf_counter(), _said(inquiry)
    if why := _no_room(inquiry):
        return CheckRun(code=check.code, title=check.title, outcome="not looked at", detail=why), []
    inquiry.listen(StageStarted(model=inquiry.target.name, title=f"{check.code}, {inquiry.threat}", total=0))
    missing = ""
    try:
        told = asked(check, scene)
    except UsageError as error:  # An attack that it asked for is not installed, or it may not ask.
        told, missing = [], str(error)
    except Exception as error:  # a plugin border: a broken check hurts only itself
        told, missing = [broken_check(check, error)], said(error)
    grave = [finding for finding in told if finding.severity in _GRAVE]
    outcome: Outcome = "mended" if inquiry.doubts else "clear"
    if outcome == "clear" and not missing and any(run.reason == NOT_ALLOWED for run in inquiry.tried):
        missing = NOT_ALLOWED  # Nothing wrong was found since nobody looked.
    run = CheckRun(
        code=check.code,
        title=check.title,
        outcome="not looked at" if missing else "doubtful" if grave else outcome,
        doubt=" ".join(inquiry.doubts),
        tried=tuple(run.name for run in inquiry.tried if run.status != "skipped"),
        broken=sum(run.broken for run in inquiry.tried),
        detail=missing or " ".join(finding.detail for finding in told),
        forwards=inquiry.forwards,
        backwards=inquiry.backwards,
        seconds=round(time.perf_counter() - started, 4),
        evidence=plain(inquiry.evidence),
    )
    return run, [
        replace(finding, detail=f"In {where}: {finding.detail}", evidence={**inquiry.evidence, **finding.evidence})
        for finding in told
    ]


def _no_room(inquiry: Inquiry) -> str:
    """Why nothing more is asked of this threat; empty where there is time and passes are left."""
    if time.monotonic() > inquiry.batches.ring.deadline:
        return LATE
    return OVERSPENT if inquiry.spent >= inquiry.budget else ""


def _said(inquiry: Inquiry) -> str:
    return f"{inquiry.threat.norm} {inquiry.threat.eps:.4g}"
