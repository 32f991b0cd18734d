"""The context of the whole page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from auditor.formats import words
from auditor.formats.html import context
from auditor.formats.html.charts.curve import CurveChart, curve_chart
from auditor.formats.html.model import Rows, model_context
from auditor.formats.html.transfer import transfer_context
from auditor.formats.views import numbers
from auditor.formats.views.curve import curves
from auditor.formats.views.trust import in_doubt
from auditor.result.record import INHERITED

if TYPE_CHECKING:
    from auditor.formats.views.curve import Curve
    from auditor.result.record import GateResult, Result, ThreatResult
    from auditor.result.run import Run
    from auditor.result.samples_csv import Row

_SKIPPED_SHOWN = 100
_GRAVITY = ("block", "inconclusive", "warn", "info")


def page_of(run: Run) -> context.Page:
    """Everything that the report says, from the run directory alone."""
    result, confidence = run.result, numbers.confidence(run.result)
    rows = _grouped(run)
    models = tuple(
        model_context(run, model, rows.get(model.name, {}), number, confidence)
        for number, model in enumerate(result.models, 1)
    )
    every = [finding for model in models for finding in model.findings]
    return context.Page(
        title=f"auditor: {result.verdict}",
        verdict=words.headline(result.verdict, bool(result.gates)),
        exit_code=result.exit_code,
        summary=result.summary,
        conditions=tuple(numbers.conditions(result)),
        rests_on=tuple(_rests_on(result)),
        notices=tuple(_notices(result)),
        gates=tuple(_gate(gate, result) for gate in result.gates),
        confidence=f"{100 * confidence:.4g}%",
        accuracies=tuple(_accuracies(result)),
        several=len(models) > 1,
        comparison=_comparison(result, rows, confidence),
        findings=tuple(sorted(every, key=lambda finding: _GRAVITY.index(finding.severity))),
        transfer=transfer_context(run, confidence),
        models=models,
        data=_data(result),
        skipped=tuple((item.name, item.reason) for item in result.data.skipped[:_SKIPPED_SHOWN]),
        skipped_count=words.count(len(result.data.skipped)),
        command=result.command,
        settings=tuple((key, _value(value)) for key, value in result.settings.items()),
        environment=tuple(result.environment.items()),
        digests=_digests(result),
        plugin_failures=tuple(
            (f.get("plugin", ""), f"{f.get('stage', '')}: {f.get('error', '')}") for f in result.plugin_failures
        ),
        made=_made(result),
    )


def _grouped(run: Run) -> dict[str, dict[tuple[str, float], list[Row]]]:
    """The rows of each model, by norm and eps; read once."""
    grouped: dict[str, dict[tuple[str, float], list[Row]]] = {}
    for row in run.rows:
        grouped.setdefault(row.model, {}).setdefault((row.norm, row.eps), []).append(row)
    return grouped


def _rests_on(result: Result) -> Iterator[str]:
    every = [threat for model in result.models for threat in model.threats]
    within = dict.fromkeys(words.threat(t.norm, t.eps, result.settings) for t in every if not t.minimal)
    norms = dict.fromkeys(t.norm for t in every if t.minimal)
    audited = sum(model.clean_accuracy is not None for model in result.models)
    asked = [f"attacked within {', '.join(within)}"] if within else []
    asked += [f"asked for the smallest change in {', '.join(norms)} that fools the model"] if norms else []
    budgets = f", {', and '.join(asked)}" if asked else ""
    yield f"{words.count(result.data.n, 'sample')} and {words.count(audited, 'audited model')}{budgets}."
    runs = [run for model in result.models for threat in model.threats for run in threat.attacks]
    runs = [run for run in runs if run.name != INHERITED]
    if not runs:
        return
    passes = sum(run.forwards + run.backwards for run in runs)
    ran = sum(run.status == "ran" for run in runs)
    spent = words.seconds(sum(run.seconds for run in runs))
    yield f"{words.count(ran, 'attack')} ran to the end: {words.count(passes, 'pass')} through the model in {spent}."
    counted = sum(t.smallest.found if t.smallest else _broken(t) for model in result.models for t in model.threats)
    examples = words.count(counted, "adversarial example")
    yield f"{examples} counted, each checked again in the deployed model, alone and in a batch."
    yield numbers.UPPER_BOUND


def _broken(threat: ThreatResult) -> int:
    return sum(run.broken for run in threat.attacks if run.name != INHERITED)


def _notices(result: Result) -> Iterator[str]:
    for model in result.models:
        if model.clean_accuracy is None:
            yield f"{model.name} was not audited; the findings say why."
            continue
        if model.gradients == "none":
            yield (
                f"{model.name} gave no gradients, so only black-box attacks ran: "
                "the true robust accuracy may lie well below what they found."
            )
        for threat in model.threats:
            name = f"{model.name}, {words.threat(threat.norm, threat.eps, result.settings)}"
            if threat.unknown:
                yield f"{name}: {words.count(threat.unknown, 'sample')} not evaluated; they count as neither."
            cut = [run for run in threat.attacks if run.status in ("failed", "timed out")]
            if cut:
                yield f"{name}: {'; '.join(f'{run.name} {run.status} ({run.reason})' for run in cut)}."
    if result.data.skipped:
        left = "was left out" if len(result.data.skipped) == 1 else "were left out"
        yield f"{words.count(len(result.data.skipped), 'sample')} could not be read and {left}."
    if not result.models:
        yield "No model was audited."


def _gate(gate: GateResult, result: Result) -> context.Gate:
    where = "" if gate.eps is None else f", {words.threat(gate.norm, gate.eps, result.settings)}"
    value = words.NOT_EVALUATED if gate.value is None else words.percent(gate.value)
    return context.Gate(
        rule=f"{gate.rule.replace('_', ' ')}: {gate.model}{where}",
        value=value,
        threshold=words.percent(gate.threshold),
        outcome=gate.outcome,
        detail=gate.detail,
    )


def _accuracies(result: Result) -> Iterator[context.Accuracy]:
    n = result.data.n
    for model in result.models:
        known = model.clean_accuracy is not None
        right = numbers.samples(model.clean_accuracy or 0.0, n)
        yield context.Accuracy(
            model=model.name,
            under="clean",
            value=numbers.clean_text(model),
            interval=words.interval(model.clean_interval),
            samples=f"{words.count(right)} of {words.count(n, 'sample')}" if known else "",
            stands_out=False,
            note="",
        )
        for threat in model.threats:
            yield context.Accuracy(
                model=model.name,
                under=words.threat(threat.norm, threat.eps, result.settings),
                value=numbers.robust_text(threat),
                interval=numbers.interval_text(threat),
                samples=numbers.robust_samples(threat, n),
                stands_out=_rounding_matters(threat) or bool(in_doubt(model, threat)),
                note="; ".join(filter(None, [in_doubt(model, threat), _note(threat, n)])),
            )


def _rounding_matters(threat: ThreatResult) -> bool:
    after, before = threat.robust_accuracy_8bit, threat.robust_accuracy
    return after is not None and before is not None and abs(after - before) > 0.01


def _note(threat: ThreatResult, n: int) -> str:
    notes = []
    if (rounded := threat.robust_accuracy_8bit) is not None:
        count = words.count(numbers.samples(rounded, n))
        notes.append(f"{words.percent(rounded)} ({count}) when examples are rounded to 8 bits")
    if threat.certified_accuracy is not None:
        notes.append(f"at least {words.percent(threat.certified_accuracy)} proven")
    return "; ".join(notes)


def _comparison(result: Result, rows: Mapping[str, Rows], confidence: float) -> tuple[CurveChart, ...]:
    if len(result.models) < 2:
        return ()
    by_norm: dict[str, list[tuple[str, Curve]]] = {}
    for model in result.models:
        for curve in curves(model, rows.get(model.name, {}), result.data.n, confidence):
            by_norm.setdefault(curve.norm, []).append((model.name, curve))
    return tuple(
        curve_chart(named, f"Models over the {norm} budget", result.settings)
        for norm, named in by_norm.items()
        if len(named) > 1
    )


def _data(result: Result) -> context.Pairs:
    data = result.data
    facts = [
        ("Source", data.source),
        ("Samples", words.count(data.n)),
        ("Shape of a sample", " × ".join(map(str, data.shape))),
        ("Classes with names", words.count(len(data.classes)) if data.classes else ""),
        ("8-bit images", "yes" if data.eight_bit else "no"),
        ("SHA-256", data.sha256),
    ]
    return tuple((key, value) for key, value in facts if value)


def _digests(result: Result) -> context.Pairs:
    audited = [(model.path, model.sha256) for model in result.models if model.sha256]
    return (*audited, (result.data.source, result.data.sha256))


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _made(result: Result) -> str:
    version = result.environment.get("auditor", "")
    took = f", took {words.seconds(result.seconds)}" if result.seconds else ""
    return f"auditor {version}, started {result.started or 'at an unknown time'}{took}"
