"""Gates, verdict and exit code: one place decides them, together.

A gate is decided on the exact interval, not on the measured share: above the threshold on both ends it passes,
below on both ends it fails, and one that straddles it is inconclusive, with the number of samples that would decide.
The intervals of several gates are corrected for how many there are. Robust accuracy is an upper bound on the truth, so
an incomplete or doubtful evaluation can still fail a model, and can never pass one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from auditor.formats.words import threat
from auditor.questions import Asked, asked, doubts_of
from auditor.result.record import Finding, GateResult, ModelResult, Verdict
from auditor.result.simultaneous import decided_together
from auditor.result.statistics import Interval

if TYPE_CHECKING:
    from auditor.settings import Settings

EXIT_CODES: dict[Verdict, int] = {"pass": 0, "fail": 1, "inconclusive": 3, "error": 4}


def gates_of(settings: Settings, models: Sequence[ModelResult], n: int) -> tuple[GateResult, ...]:
    """Every rule that was asked for, decided for each model and threat: all of them together, so that the chance of
    any wrong one is that of a single gate. `n` samples in all."""
    questions = list(asked(settings, models, n))
    intervals = decided_together([each.question for each in questions], settings.confidence)
    return tuple(
        _decided(each, interval, settings.confidence, len(questions))
        for each, interval in zip(questions, intervals, strict=True)
    )


def _decided(each: Asked, interval: Interval, confidence: float, count: int) -> GateResult:
    gate = each.gate.model_copy(update={"corrected_for": count})
    if not each.n:
        return gate.model_copy(update={"detail": each.said})
    threshold = each.question.threshold
    outcome = "pass" if interval[0] >= threshold else "fail" if interval[1] < threshold else "inconclusive"
    low, high = span = (-interval[1], -interval[0]) if each.drop else interval
    shown = f"{low:+.1%} to {high:+.1%}" if each.drop else f"{low:.1%} to {high:.1%}"
    what = f"{confidence:.0%} interval{' of the drop' if each.drop else ''}"
    corrected = f", corrected for {count} gates," if count > 1 else ""
    detail = f"{each.said + '; ' if each.said else ''}the {what}{corrected} is {shown}"
    known = {"outcome": outcome, "interval": span}
    if outcome == "inconclusive":
        needed = each.needed(1.0 - (1.0 - confidence) / count)
        more = "no number of samples would decide" if needed is None else f"about {needed:,} samples would decide"
        more = f"; {more}" if each.gate.value is not None else ""
        return gate.model_copy(
            update={**known, "detail": f"{detail}, which contains {gate.threshold:.1%}{more}", "samples_needed": needed}
        )
    side = "above" if (outcome == "pass") is not each.drop else "below"
    if outcome == "pass" and each.doubts:
        known["outcome"] = "inconclusive"
        return gate.model_copy(
            update={**known, "detail": f"{detail}, {side} {gate.threshold:.1%}, but {each.doubts[0]}"}
        )
    return gate.model_copy(update={**known, "detail": f"{detail}, all of it {side} {gate.threshold:.1%}"})


def judge(models: Sequence[ModelResult], gates: Sequence[GateResult]) -> tuple[Verdict, int, str]:
    """Verdict, exit code, and one sentence that says why."""
    verdict, why = _verdict(models, gates)
    return verdict, EXIT_CODES[verdict], why


def worst(codes: Iterable[int]) -> int:
    """The exit code of several audits: what could not be audited counts most, then what failed, then what is open."""
    order = [EXIT_CODES[verdict] for verdict in ("error", "fail", "inconclusive", "pass")]
    return min(codes, key=order.index)


def _verdict(models: Sequence[ModelResult], gates: Sequence[GateResult]) -> tuple[Verdict, str]:
    if blocked := [(model.name, finding) for model in models if (finding := _blocking(model))]:
        (name, finding), others = blocked[0], ", ".join(name for name, _ in blocked[1:])
        why = finding.detail if finding.code == "AUD001" else f"{finding.title}."
        nor = f" Not audited either: {others}." if others else ""
        return "error", f"{name} was not audited: {finding.code}: {why}{nor}"
    if failed := [g for g in gates if g.outcome == "fail"]:
        return "fail", _sentence(failed[0], len(failed), len(gates))
    for model in models:
        if doubts := doubts_of(model):
            return "inconclusive", f"The evaluation of {model.name} cannot be trusted to the end: {doubts[0]}."
        if any(threat.unknown for threat in model.threats):
            return "inconclusive", f"Some samples of {model.name} were not evaluated, so its accuracy is not known."
    if open_ := [g for g in gates if g.outcome == "inconclusive"]:
        return "inconclusive", _sentence(open_[0], len(open_), len(gates))
    if not gates:
        return "pass", "No gate was set, so nothing was required: these numbers are what was measured."
    return "pass", f"{'The gate holds' if len(gates) == 1 else f'All {len(gates)} gates hold'} at this confidence."


def _blocking(model: ModelResult) -> Finding | None:
    return next((finding for finding in model.findings if finding.severity == "block"), None)


def _sentence(gate: GateResult, count: int, total: int) -> str:
    where = f" under {threat(gate.norm, gate.eps)}" if gate.eps is not None else ""
    if gate.rule == "max_drop":
        drop = "changed by an unknown share" if gate.value is None else f"fell by {gate.value:.1%}"
        fell = f"{gate.model}: robust accuracy{where} {drop} since the baseline, and {gate.threshold:.1%} is allowed"
        return f"{fell}: {gate.detail}."
    what = "clean accuracy" if gate.rule == "min_clean_accuracy" else "robust accuracy"
    value = "is not known" if gate.value is None else f"is {gate.value:.1%}"
    many = f" ({count} of {total} gates like this)" if count > 1 else ""
    return f"{gate.model}: {what}{where} {value}, and {gate.threshold:.1%} is required: {gate.detail}{many}."
