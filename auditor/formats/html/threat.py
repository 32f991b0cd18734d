"""The context of one threat: cascade, attack table, mistakes, classes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from auditor.formats import words
from auditor.formats.html import context
from auditor.formats.html.charts.cascade import attack_title, cascade_chart
from auditor.formats.html.medians import medians_context
from auditor.formats.html.trust import trust_context
from auditor.formats.views.cascade import Step, cascade, counted, not_run
from auditor.formats.views.classes import ClassLine, ClassTable, per_class
from auditor.formats.views.mistakes import OTHER, mistakes
from auditor.formats.views.numbers import (
    change_text,
    confidence,
    corruption_text,
    drop_text,
    forecast_text,
    interval_text,
    right_samples,
    robust_samples,
    robust_text,
    smallest_text,
)
from auditor.formats.views.trust import in_doubt

if TYPE_CHECKING:
    from auditor.result.record import ModelResult, Result, ThreatResult
    from auditor.result.samples_csv import Row

ALARMING_GAP = 0.15
"""A class further below the mean than this is pointed out."""
_SHOWN, _FOLDED = 20, 180
_LEVELS = 5
_LONGEST_HEAD = 20


def threat_context(
    result: Result, model: ModelResult, threat: ThreatResult, rows: Sequence[Row], anchor: str
) -> context.Threat:
    """Everything that the report says of one threat."""
    n = result.data.n
    part = threat.sequential
    right = right_samples(model, threat, n)
    steps = cascade(threat.attacks, right)
    name = words.threat(threat.norm, threat.eps, result.settings)
    fell = n and not threat.minimal
    chart = (
        cascade_chart(steps, right, part.audited if part else n, f"What stood after each attack, {name}")
        if fell
        else None
    )
    # Where the smallest changes were looked for, every class has fallen: which is weakest, medians say.
    # Where samples were left alone, who is left says nothing of a class.
    table = None if threat.minimal or (part and part.stopped) else per_class(rows, confidence(result))
    bounds = interval_text(threat)
    known = f"{robust_samples(threat, n)}{f' ({confidence(result):.0%} interval {bounds})' if bounds else ''}"
    best = counted(rows)
    found = threat.smallest
    return context.Threat(
        anchor=anchor,
        name=name,
        exact="" if threat.minimal else f"{threat.eps:.10g}",
        main=threat.eps == max(t.eps for t in model.threats if t.norm == threat.norm),
        value=robust_text(threat),
        samples=known,
        doubt=in_doubt(model, threat),
        minimal=threat.minimal,
        forecast=smallest_text(found, threat.norm, result.settings) if found else forecast_text(threat),
        change=change_text(threat.change, threat.norm) or drop_text(threat.drop),
        cascade=chart,
        attacks=tuple(_attack(step, best) for step in steps if not step.run.needless),
        not_run=not_run(steps),
        trust=trust_context(threat),
        corruptions=_corruptions(threat),
        mistakes=_mistakes(rows, model.classes),
        classes=_classes(table, model.classes) if table else None,
        medians=medians_context(threat, rows, confidence(result), model.classes) if threat.minimal else None,
    )


def _attack(step: Step, best: Counter[str]) -> context.AttackLine:
    run, smallest = step.run, best[step.run.name]
    of = f" ({words.percent(smallest / best.total())})" if smallest else ""
    share = f" ({words.percent(step.share_broken)})" if step.share_broken is not None else ""
    facts = (("attack", run.attack), ("access", run.access), ("paper", run.paper))
    return context.AttackLine(
        name=attack_title(run.name),
        status=run.status,
        reason="; ".join(filter(None, [f"{run.because} asked for it" if run.because else "", run.reason])),
        attacked=words.count(run.attacked),
        broken=f"{words.count(run.broken)}{share}",
        best=f"{words.count(smallest)}{of}",
        standing=words.count(step.after),
        passes=f"{words.count(run.forwards)} + {words.count(run.backwards)}" if step.passes else "none",
        per_break=words.count(round(step.passes_per_break)) if step.passes_per_break else "",
        seconds=words.seconds(run.seconds),
        refuted=words.count(run.refuted),
        facts=tuple((key, value) for key, value in facts if value),
        parameters=tuple((key, str(value)) for key, value in run.parameters.items()),
    )


def _mistakes(rows: Sequence[Row], names: tuple[str, ...] | None) -> context.Mistakes | None:
    matrix = mistakes(rows)
    if matrix is None:
        return None
    titles = tuple("all others" if label == OTHER else words.class_name(label, names) for label in matrix.labels)

    def cell(i: int, j: int) -> context.Cell:
        value = matrix.counts[i][j]
        own = OTHER not in (matrix.labels[i], matrix.labels[j])
        level = -(-_LEVELS * value // matrix.largest) if own and matrix.largest else 0
        return context.Cell(text=words.count(value) if value else "·", level=level)

    span = range(len(matrix.labels))
    return context.Mistakes(
        heads=tuple(words.short(title, _LONGEST_HEAD) for title in titles),
        rows=tuple((titles[i], tuple(cell(i, j) for j in span)) for i in span),
        partial=OTHER in matrix.labels,
        top=tuple(
            (words.class_name(true, names), words.class_name(taken, names), words.count(number))
            for true, taken, number in matrix.top
        ),
        total=words.count(matrix.total, "broken sample"),
    )


def _corruptions(threat: ThreatResult) -> context.Corruptions | None:
    """The darker a cell, the more samples go wrong."""
    if not threat.corruptions:
        return None
    severities = sorted({cell.severity for cell in threat.corruptions})
    by = {(cell.name, cell.severity): cell.accuracy for cell in threat.corruptions}

    def line(name: str) -> tuple[str, tuple[context.Cell, ...], str]:
        accuracies = [by[name, severity] for severity in severities]
        cells = (context.Cell(text=words.percent(a), level=math.ceil(_LEVELS * (1.0 - a))) for a in accuracies)
        return name.replace("_", " "), tuple(cells), words.percent(sum(accuracies) / len(accuracies))

    return context.Corruptions(
        lead=corruption_text(threat),
        severities=tuple(map(str, severities)),
        rows=tuple(line(name) for name in dict.fromkeys(cell.name for cell in threat.corruptions)),
    )


def _classes(table: ClassTable, names: tuple[str, ...] | None) -> context.Classes:
    lines = tuple(_class(line, table, names) for line in table.lines)
    left = len(lines) - _SHOWN - _FOLDED
    return context.Classes(
        worst=_worst(table, names),
        alarming=table.gap > ALARMING_GAP,
        shown=lines[:_SHOWN],
        folded=lines[_SHOWN : _SHOWN + _FOLDED],
        left_out=words.count(left, "class") if left > 0 else "",
    )


def _class(line: ClassLine, table: ClassTable, names: tuple[str, ...] | None) -> context.ClassLine:
    gap = line.upper - table.mean
    return context.ClassLine(
        name=words.class_name(line.label, names),
        n=words.count(line.n),
        clean=words.percent(line.clean),
        robust=f"≤ {words.percent(line.upper)}" if line.not_evaluated else words.percent(line.upper),
        interval=words.interval(line.interval),
        gap=f"{100 * gap:+.1f}".replace("-", "−"),
        width=100 * line.upper,
        weak=-gap > ALARMING_GAP and line.interval[1] < table.mean,
    )


def _worst(table: ClassTable, names: tuple[str, ...] | None) -> str:
    worst = table.worst
    if len(table.lines) == 1:
        return f"All samples are of one class, {words.class_name(worst.label, names)}."
    if table.mean == 0.0:
        return "No sample of any class stands."
    if table.gap <= 0.0:
        return "All classes are equally robust."
    ties = sum(line.upper == worst.upper for line in table.lines)
    head = "Weakest class:" if ties == 1 else f"{words.count(ties, 'class')} are weakest, among them"
    share = f"{'at most ' if worst.not_evaluated else ''}{words.percent(worst.upper)} robust"
    name, n = words.class_name(worst.label, names), words.count(worst.n, "sample")
    doubt = " With so few samples that may be chance." if table.gap_may_be_chance else ""
    return f"{head} {name}, {share} ({n}), {words.points(table.gap)} below the mean.{doubt}"
