"""What the checks asked of a threat's attacks, told in order: what was doubted, what was tried, what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from auditor.formats import words
from auditor.result.record import CheckRun, ModelResult, ThreatResult

Plot = tuple[tuple[str, float], ...]
"""Points of a line: what stands below it, and a share from 0 to 1."""

_CAME = {
    "clear": "nothing was wrong",
    "mended": "settled",
    "doubtful": "the doubt stays",
    "not looked at": "not looked at",
}


def trust_text(checks: Sequence[CheckRun]) -> str:
    """All inquiries in a sentence; empty where none was made."""
    if not checks:
        return ""
    codes: dict[str, list[str]] = {}
    for check in checks:
        if not idle(check):
            codes.setdefault(check.outcome, []).append(check.code)
    unasked = sum(map(idle, checks))
    count = len(checks) - unasked
    rest = f" {words.count(unasked)} more looked at nothing." if unasked else ""
    if not count:
        return f"{words.count(unasked, 'check')} looked at nothing."
    if len(codes.get("clear", ())) == count:
        return f"{words.count(count, 'check')} questioned these attacks and found nothing wrong.{rest}"
    told = [f"{_CAME[outcome]}: {', '.join(named)}" for outcome, named in codes.items() if outcome != "clear"]
    clear = f"{words.count(len(codes['clear']))} found nothing wrong; " if "clear" in codes else ""
    return f"{words.count(count, 'check')} questioned these attacks: {clear}{'; '.join(told)}.{rest}"


def idle(check: CheckRun) -> bool:
    """Whether a check looked at nothing, for want of samples or passes: it found nothing wrong, and shows no number."""
    return check.outcome == "clear" and not check.forwards + check.backwards and not check.evidence


def in_doubt(model: ModelResult, threat: ThreatResult) -> str:
    """`in doubt: AUD211, AUD214`: the findings for which a robust accuracy is not to be believed; empty without any.

    What a check found of another threat's attacks says nothing of this one's.
    """
    grave = {finding.code for finding in model.findings if finding.severity in ("inconclusive", "block")}
    here, anywhere = _doubts([threat]), _doubts(model.threats)
    codes = sorted((grave & here) | (grave - anywhere))
    return f"in doubt: {', '.join(codes)}" if codes else ""


def _doubts(threats: Sequence[ThreatResult]) -> set[str]:
    return {check.code for threat in threats for check in threat.checks if check.outcome == "doubtful"}


def came_of_it(check: CheckRun) -> str:
    """`settled, 3 more samples broken`."""
    if idle(check):
        return "looked at nothing"
    more = f", {words.count(check.broken, 'more sample')} broken" if check.broken else ""
    return _CAME[check.outcome] + more


def chapters(check: CheckRun) -> tuple[tuple[str, str], ...]:
    """What was doubted, what was tried and what came of it, each under its name; none where nothing was doubted."""
    if not check.doubt:
        return ()
    # What an earlier check ran until it paid no more is not run again.
    before = "nothing that a check before it had not searched to its end"
    tried = ", ".join(_runs(check.tried)) or (before if check.outcome == "mended" else "nothing further")
    came = check.detail.removeprefix(check.doubt).strip()
    told = (("Doubted", check.doubt), ("Tried", f"{tried}."), ("Came of it", came))
    return tuple((name, text) for name, text in told if text)


def story(check: CheckRun) -> str:
    """Doubt, attempt and outcome, in sentences; for a check that doubted nothing, what it says."""
    told = {name: text for name, text in chapters(check) if name != "Tried" or check.tried}
    return " ".join(f"Tried: {text}" if name == "Tried" else text for name, text in told.items()) or check.detail


def _runs(names: Sequence[str]) -> list[str]:
    """Attacks by name, and how often each ran."""
    counts = Counter(name.partition("#")[0] for name in names)
    return [name if count == 1 else f"{name} ({count} times)" for name, count in counts.items()]


def numbers(evidence: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What was measured, by name; without the line to draw."""
    return tuple((name.replace("_", " "), said(value)) for name, value in evidence.items() if name != "plot")


def said(value: object) -> str:
    """A measured value as text."""
    if isinstance(value, list):
        return ", ".join(map(said, value)) or "none"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return words.count(value) if isinstance(value, int) else f"{value:.4g}"


def points(plot: object) -> Plot:
    """The points of a line that can be drawn; none where a check's evidence holds something else."""
    if not isinstance(plot, dict):
        return ()
    x, y = plot.get("x"), plot.get("y")
    if not isinstance(x, (list, tuple)) or not isinstance(y, (list, tuple)) or len(x) != len(y) or len(x) < 2:
        return ()
    if not all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in (*x, *y)):
        return ()
    return tuple((f"{a:.3g}", min(1.0, max(0.0, float(b)))) for a, b in zip(x, y, strict=True) if b == b)
