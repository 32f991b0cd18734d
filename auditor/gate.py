"""Gates, verdict and exit code: one place decides them, together.

A gate is decided on the exact interval, not on the measured share: above the threshold on both ends it passes,
below on both ends it fails, and one that straddles it is inconclusive, with the number of samples that would decide.
Robust accuracy is an upper bound on the truth, so an incomplete or doubtful evaluation can still fail a model,
and can never pass one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from auditor.formats.words import threat
from auditor.result.record import GateOutcome as Outcome
from auditor.result.record import GateResult, ModelResult, ThreatResult, Verdict
from auditor.result.statistics import Interval, clopper_pearson, samples_to_decide

if TYPE_CHECKING:
    from auditor.result.comparison import Comparison, Pair
    from auditor.settings import Settings

EXIT_CODES: dict[Verdict, int] = {"pass": 0, "fail": 1, "inconclusive": 3, "error": 4}


def gates_of(settings: Settings, models: Iterable[ModelResult], n: int) -> tuple[GateResult, ...]:
    """Every rule that was asked for, decided for each model and threat."""
    gates: list[GateResult] = []
    for model in models:
        if model.clean_accuracy is None:
            continue
        if settings.min_clean_accuracy is not None:
            gates.append(_clean_gate(model, settings.min_clean_accuracy, n, settings.confidence))
        if settings.min_robust_accuracy is not None:
            gates.extend(
                _robust_gate(model, threat, settings.min_robust_accuracy, n, settings.confidence)
                for threat in model.threats
                if not threat.minimal
            )
    return tuple(gates)


def _clean_gate(model: ModelResult, threshold: float, n: int, confidence: float) -> GateResult:
    assert model.clean_accuracy is not None
    interval = clopper_pearson(round(model.clean_accuracy * n), n, confidence)
    gate = GateResult(
        rule="min_clean_accuracy",
        value=model.clean_accuracy,
        threshold=threshold,
        outcome=_side(interval, threshold),
        interval=interval,
        model=model.name,
    )
    return _explained(gate, n, confidence)


def _robust_gate(model: ModelResult, threat: ThreatResult, threshold: float, n: int, confidence: float) -> GateResult:
    # What preview attacks alone broke counts as standing here: they are shown, and never gate.
    preview = sum(run.broken for run in threat.attacks if run.stage != "stable")
    interval = clopper_pearson(round(threat.robust_upper_bound * n) + preview, n, confidence)
    outcome = _side(interval, threshold)
    doubts = doubts_of(model) + (("some samples were not evaluated",) if threat.not_evaluated else ())
    gate = GateResult(
        rule="min_robust_accuracy",
        value=None if threat.robust_accuracy is None else threat.robust_accuracy + preview / n,
        threshold=threshold,
        outcome="inconclusive" if outcome == "pass" and doubts else outcome,
        interval=interval,
        model=model.name,
        norm=threat.norm,
        eps=threat.eps,
    )
    if outcome == "pass" and doubts:
        return gate.model_copy(update={"detail": f"the number is above the threshold, but {doubts[0]}"})
    return _explained(gate, n, confidence)


def drop_gates(
    comparison: Comparison, models: Iterable[ModelResult], max_drop: float, confidence: float
) -> tuple[GateResult, ...]:
    """The rule that robust accuracy falls by at most `max_drop` since the baseline, on the same samples.

    A threat that the baseline did not audit is inconclusive. What could still have fallen, and doubts about the
    evaluation or about comparing the runs at all, keep a gate from passing; never from failing.
    """
    pairs = {(pair.model, pair.norm, pair.eps): pair for pair in comparison.pairs}
    gates = []
    for model in models:
        for threat_ in (each for each in model.threats if not each.minimal):
            pair = pairs.get((model.name, threat_.norm, threat_.eps))
            doubts = doubts_of(model) + comparison.notes
            gates.append(_drop_gate(model, threat_, pair, max_drop, confidence, doubts))
    return tuple(gates)


def _drop_gate(
    model: ModelResult,
    threat_: ThreatResult,
    pair: Pair | None,
    max_drop: float,
    confidence: float,
    doubts: tuple[str, ...],
) -> GateResult:
    """Decided on an interval that never undercovers: exact ones for shares lost and gained, each at half the error."""
    open_ = GateResult(
        rule="max_drop",
        value=None,
        threshold=max_drop,
        outcome="inconclusive",
        detail="the baseline holds nothing to compare this with",
        model=model.name,
        norm=threat_.norm,
        eps=threat_.eps,
    )
    if pair is None:
        return open_
    half = 1.0 - (1.0 - confidence) / 2.0
    lost, gained, unknown, n = pair.lost, pair.gained, pair.unknown, pair.n
    low = clopper_pearson(lost, n, half)[0] - clopper_pearson(gained + unknown, n, half)[1]
    high = clopper_pearson(lost + unknown, n, half)[1] - clopper_pearson(gained, n, half)[0]
    outcome: Outcome = "pass" if high <= max_drop else "fail" if low > max_drop else "inconclusive"
    detail = (
        f"{pair.lost} samples lost and {pair.gained} gained of {pair.n}; "
        f"the {confidence:.0%} interval of the drop is {low:+.1%} to {high:+.1%}"
    )
    if pair.unknown:
        detail += f"; {pair.unknown} samples were not evaluated in one of the runs"
    if outcome == "pass" and doubts:
        outcome, detail = "inconclusive", f"{detail}; but {doubts[0]}"
    value = None if pair.unknown else pair.before - pair.after
    return open_.model_copy(update={"value": value, "outcome": outcome, "interval": (low, high), "detail": detail})


def _side(interval: Interval, threshold: float) -> Outcome:
    if interval[0] >= threshold:
        return "pass"
    return "fail" if interval[1] < threshold else "inconclusive"


def _explained(gate: GateResult, n: int, confidence: float) -> GateResult:
    assert gate.interval is not None
    span = f"the {confidence:.0%} interval is {gate.interval[0]:.1%} to {gate.interval[1]:.1%}"
    if gate.outcome != "inconclusive":
        side = "above" if gate.outcome == "pass" else "below"
        return gate.model_copy(update={"detail": f"{span}, all of it {side} {gate.threshold:.1%}"})
    needed = None if gate.value is None else samples_to_decide(gate.value, gate.threshold, confidence)
    more = f"about {needed:,} samples would decide" if needed else "no number of samples would decide"
    return gate.model_copy(
        update={"detail": f"{span}, which contains {gate.threshold:.1%}; {more}", "samples_needed": needed}
    )


def doubts_of(model: ModelResult) -> tuple[str, ...]:
    """Why this model's evaluation cannot be trusted to the end: the titles of its inconclusive findings."""
    return tuple(f"{f.code}: {f.title}" for f in model.findings if f.severity == "inconclusive")


def judge(models: Sequence[ModelResult], gates: Sequence[GateResult]) -> tuple[Verdict, int, str]:
    """Verdict, exit code, and one sentence that says why."""
    verdict, why = _verdict(models, gates)
    return verdict, EXIT_CODES[verdict], why


def _verdict(models: Sequence[ModelResult], gates: Sequence[GateResult]) -> tuple[Verdict, str]:
    for model in models:
        for finding in model.findings:
            if finding.severity == "block":
                return "error", f"{model.name} was not audited: {finding.code}: {finding.title}."
    if failed := [g for g in gates if g.outcome == "fail"]:
        return "fail", _sentence(failed[0], len(failed), len(gates))
    for model in models:
        if doubts := doubts_of(model):
            return "inconclusive", f"The evaluation of {model.name} cannot be trusted to the end: {doubts[0]}."
        if any(threat.not_evaluated for threat in model.threats):
            return "inconclusive", f"Some samples of {model.name} were not evaluated, so its accuracy is not known."
    if open_ := [g for g in gates if g.outcome == "inconclusive"]:
        return "inconclusive", _sentence(open_[0], len(open_), len(gates))
    if not gates:
        return "pass", "No gate was set, so nothing was required: these numbers are what was measured."
    return "pass", f"{'The gate holds' if len(gates) == 1 else f'All {len(gates)} gates hold'} at this confidence."


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
