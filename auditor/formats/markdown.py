"""`summary.md`: the result in short, for a pull request or a release note."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from auditor.formats import words
from auditor.formats.base import Format

if TYPE_CHECKING:
    from auditor.formats.views.cascade import Step
    from auditor.result.record import Finding, GateResult, ModelResult, Result
    from auditor.result.run import Run

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|<>~&])")


class Markdown(Format):
    """GitHub-flavoured Markdown with tables; whatever a name holds is shown as text."""

    name = "markdown"
    filename = "summary.md"
    help = "A short summary for pull requests and release notes."

    def render(self, run: Run, templates: tuple[str, ...] = ()) -> str:
        """Verdict, gates, accuracies, attacks, findings, and how to repeat the run."""
        return "\n".join(_lines(run)) + "\n"


def _lines(run: Run) -> Iterator[str]:
    from auditor.formats.views.numbers import UPPER_BOUND, conditions, left_out

    result = run.result
    yield from (f"# auditor: {words.headline(result.verdict, bool(result.gates))}", "", plain(result.summary), "")
    for line in (*conditions(result), *left_out(result)):
        yield from (plain(line), "")
    if result.gates:
        heads = ("gate", "measured", "required", "outcome", "why")
        yield from grid(heads, (_gate(gate, result) for gate in result.gates))
    yield from ("## Accuracy", "", *_accuracies(result))
    if any(model.threats for model in result.models):
        yield from (UPPER_BOUND, "", "## Attacks", "")
    for model in result.models:
        yield from _attacks(model, run)
    yield from _transfer(result)
    findings = [(model.name, finding) for model in result.models for finding in model.findings]
    if findings:
        yield from ("## Findings", "")
        for name, finding in findings:
            yield _finding(name, finding)
        yield ""
    yield from _repeat(result)


def _accuracies(result: Result) -> Iterator[str]:
    from auditor.formats.views import numbers
    from auditor.formats.views.trust import in_doubt

    n = result.data.n
    rows = []
    for model in result.models:
        of = ""
        if model.clean_accuracy is not None:
            of = f"{words.count(numbers.samples(model.clean_accuracy, n))} of {words.count(n, 'sample')}"
        rows.append((model.name, "clean", numbers.clean_text(model), words.interval(model.clean_interval), of))
        for threat in model.threats:
            known = (numbers.robust_text(threat), numbers.interval_text(threat))
            name = words.threat(threat.norm, threat.eps, result.settings)
            doubt = in_doubt(model, threat)
            of = numbers.robust_samples(threat, n)
            rows.append((model.name, name, *known, f"{of}, {doubt}" if doubt else of))
            if threat.certified_accuracy is not None:
                proven = (words.percent(threat.certified_accuracy), words.interval(threat.certified_interval))
                rows.append((model.name, f"{name}, certified", *proven, "at least"))
    yield from grid(("model", "under", "accuracy", f"{numbers.confidence(result):.0%} interval", "samples"), rows)
    expected = [f"- {plain(model.name)}, {plain(line)}" for model in result.models for line in _expected(model, result)]
    if expected:
        yield from (*expected, "")


def _expected(model: ModelResult, result: Result) -> Iterator[str]:
    from auditor.formats.views.numbers import change_text, drop_text, forecasts

    yield from forecasts(model, result.settings)
    for threat in model.threats:
        if change := change_text(threat.change, threat.norm) or drop_text(threat.drop):
            yield f"{words.threat(threat.norm, threat.eps)} since the baseline: {change}."


def _attacks(model: ModelResult, run: Run) -> Iterator[str]:
    from auditor.formats.views.cascade import cascade, counted, not_run
    from auditor.formats.views.numbers import right_samples
    from auditor.formats.views.surrogates import surrogate_sentences
    from auditor.formats.views.trust import came_of_it, story, trust_text

    for threat in model.threats:
        steps = cascade(threat.attacks, right_samples(model, threat, run.result.data.n))
        # Where the smallest changes are looked for, nobody falls, so no attack leaves fewer standing.
        heads = ("improved", "smallest of all") if threat.minimal else ("broke", "left standing")
        best = counted(run.rows_of(model.name, threat.norm, threat.eps)) if threat.minimal else None
        rows = [_attack(step, best) for step in steps if not step.run.needless]
        name = words.threat(threat.norm, threat.eps, run.result.settings)
        yield from (f"### {plain(model.name)}, {plain(name)}", "")
        yield from grid(("attack", "status", "attacked", *heads, "passes", "time"), rows)
        if idle := not_run(steps):
            yield from (plain(idle), "")
        if told := trust_text(threat.checks):
            yield from (plain(told), "")
        for check in threat.checks:
            if check.doubt:
                yield f"- `{plain(check.code)}` {came_of_it(check)}: {plain(story(check))}"
        yield ""
    if lines := [f"- {plain(sentence)}" for sentence in surrogate_sentences(model, run.result.settings)]:
        yield from (*lines, "")


def _attack(step: Step, best: Counter[str] | None) -> tuple[str, ...]:
    run = step.run
    status = run.status if run.status == "ran" else f"{run.status}: {run.reason}"
    left = step.after if best is None else best[run.name]
    counts = (words.count(value) for value in (run.attacked, run.broken, left, step.passes))
    return (run.name, status, *counts, words.seconds(run.seconds))


def _transfer(result: Result) -> Iterator[str]:
    from auditor.formats.views.transfer.table import NOTE, tables, unmeasured

    if result.transfer is None:
        return
    yield from ("## Transfer", "", plain(NOTE), "")
    for table in tables(result.transfer, result.settings):
        yield from (plain(table.title), "")
        yield from grid(("made on, tried on", *table.columns), ((name, *cells) for name, cells in table.rows))
    for sentence in unmeasured(result.transfer):
        yield from (plain(sentence), "")


def _gate(gate: GateResult, result: Result) -> tuple[str, ...]:
    where = "" if gate.eps is None else f", {words.threat(gate.norm, gate.eps, result.settings)}"
    value = words.NOT_EVALUATED if gate.value is None else words.percent(gate.value)
    return (f"{gate.rule}: {gate.model}{where}", value, words.percent(gate.threshold), gate.outcome, gate.detail)


def _finding(model: str, finding: Finding) -> str:
    remedy = f" What to do: {finding.remedy}" if finding.remedy else ""
    head = f"- **{finding.severity} {plain(finding.code)}** ({plain(model)}): {plain(finding.title)}."
    return f"{head} {plain(finding.detail)}{plain(remedy)}".rstrip()


def _repeat(result: Result) -> Iterator[str]:
    from auditor.formats.views.numbers import changed_settings, facts

    yield from ("## To repeat this", "")
    for name, value in (*facts(result), *changed_settings(result)):
        yield f"- {plain(name)}: {plain(value)}"
    runs = {run.name: run for model in result.models for threat in model.threats for run in threat.attacks}
    told = {name: ", ".join(f"{key}={value}" for key, value in run.parameters.items()) for name, run in runs.items()}
    if any(told.values()):
        yield from ("", "<details><summary>Parameters of the attacks</summary>", "")
        yield from (f"- {plain(name)}: {plain(said)}" for name, said in told.items() if said)
        yield from ("", "</details>")


def grid(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """The lines of a table, whose cells are plain text."""
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(map(plain, row))} |"
    yield ""


def plain(value: str) -> str:
    """`value` as text that no renderer reads as markup, on one line."""
    return _SPECIAL.sub(r"\\\1", words.printable(" ".join(value.split("\n"))))
