"""The context of one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from auditor.formats import words
from auditor.formats.html import context
from auditor.formats.html.charts.bars import bar_chart
from auditor.formats.html.charts.curve import curve_chart
from auditor.formats.html.charts.line import line_chart
from auditor.formats.html.patterns import patterns
from auditor.formats.html.pictures import pictures
from auditor.formats.html.threat import threat_context
from auditor.formats.views.curve import curves
from auditor.formats.views.numbers import smallest_text
from auditor.formats.views.surrogates import surrogate_lines, surrogate_passes
from auditor.formats.views.trust import numbers

if TYPE_CHECKING:
    from auditor.result.record import ModelResult
    from auditor.result.run import Run
    from auditor.result.samples_csv import Row

Rows = Mapping[tuple[str, float], Sequence["Row"]]

_GRADIENTS = {
    "native": "from the model itself",
    "twin": "from a differentiable twin that agreed with the deployed model",
    "none": "none: black-box attacks only",
}


def model_context(run: Run, model: ModelResult, rows: Rows, number: int, confidence: float) -> context.Model:
    """Everything that the report says of one model; `rows` by norm and eps."""
    result, anchor = run.result, f"model-{number}"
    settings = result.settings
    shown, why_not = pictures(run, model, [row for part in rows.values() for row in part])
    drawn = [
        curve_chart([(model.name, curve)], f"Accuracy of {model.name} over the {curve.norm} budget", settings)
        for curve in curves(model, rows, result.data.n, confidence)
    ]
    threats = [
        threat_context(result, model, threat, rows.get((threat.norm, threat.eps), ()), f"{anchor}-threat-{i}")
        for i, threat in enumerate(model.threats)
    ]
    return context.Model(
        anchor=anchor,
        name=model.name,
        audited=model.clean_accuracy is not None,
        facts=_facts(model),
        details=_details(model),
        bars=bar_chart(model, settings),
        findings=findings(model),
        curves=tuple(drawn),
        smallest=tuple(smallest_text(t.smallest, t.norm, settings) for t in model.threats if t.smallest),
        threats=tuple(threats),
        patterns=patterns(run, model),
        surrogates=tuple(surrogate_lines(model, settings)),
        surrogate_passes=words.count(surrogate_passes(model)),
        pictures=shown,
        no_pictures=why_not,
    )


def findings(model: ModelResult) -> tuple[context.Finding, ...]:
    """The findings about one model, the gravest first."""
    order = ("block", "inconclusive", "warn", "info")
    # What the checks of a threat measured stands in its section.
    told = {check.code for threat in model.threats for check in threat.checks}
    return tuple(
        context.Finding(
            **finding.model_dump(include={"code", "severity", "title", "detail", "remedy"}),
            numbers=() if finding.code in told else numbers(finding.evidence),
            plot=None if finding.code in told else line_chart(finding.title, finding.evidence.get("plot")),
            model=model.name,
        )
        for finding in sorted(model.findings, key=lambda f: order.index(f.severity))
    )


def _facts(model: ModelResult) -> context.Pairs:
    shape = " × ".join("any" if side is None else str(side) for side in model.input_shape or ())
    spent = ", ".join(f"{stage} {words.seconds(value)}" for stage, value in model.seconds.items())
    facts = [
        ("File", model.path),
        ("Format", model.format),
        ("SHA-256", model.sha256),
        ("Gradients", _GRADIENTS[model.gradients]),
        ("Input", shape),
        ("Classes", words.count(model.num_classes) if model.num_classes else ""),
        ("Wrappers", ", then ".join(map(str, model.wrappers))),
        ("Preprocessing", model.preprocessing),
        ("Batches", model.batching),
        ("Time", spent),
    ]
    return tuple((key, value) for key, value in facts if value)


def _details(model: ModelResult) -> context.Pairs:
    written = ((key.replace("_", " "), _written(value)) for key, value in model.details.items())
    return tuple((key, value) for key, value in written if value)


def _written(value: Any) -> str:
    """A value of the record as a person would write it: `Conv 2, Relu 3`, `yes`, `160,090`."""
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return words.count(value)
        case dict():
            return ", ".join(f"{key} {_written(item)}" for key, item in value.items())
        case list() | tuple():
            return ", ".join(map(_written, value))
    return "" if value is None else str(value)
