"""What `auditor scan` prints when it is done: the verdict first, then what it rests on; fits 80 columns, no colour
needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from auditor.formats import words
from auditor.formats.terminal_transfer import transfer_tables
from auditor.formats.views.cascade import Step, cascade
from auditor.formats.views.numbers import (
    UPPER_BOUND,
    clean_text,
    conditions,
    confidence,
    forecasts,
    interval_text,
    left_out,
    right_samples,
    robust_samples,
    robust_text,
    samples,
)
from auditor.formats.views.surrogates import surrogate_sentences
from auditor.formats.views.trust import in_doubt, trust_text

if TYPE_CHECKING:
    from rich.console import Console

    from auditor.result.record import Finding, ModelResult, Result
    from auditor.result.run import Run

_STYLES = {
    "measured": "bold",
    "pass": "bold green",
    "fail": "bold red",
    "inconclusive": "bold yellow",
    "error": "bold red",
}
_SEVERITIES = {"info": "dim", "warn": "yellow", "inconclusive": "yellow", "block": "red"}
_REPORTS = ("report.html", "summary.md", "junit.xml")


def render_terminal(run: Run, console: Console) -> None:
    """Print the result of `run`. Names from files are printed as text: they cannot format or drive the terminal."""
    result = run.result
    headline = words.headline(result.verdict, bool(result.gates))
    console.print(Text.assemble((headline.upper(), _STYLES[headline]), "  ", _plain(result.summary)))
    for sentence in conditions(result):
        console.print(Text(_plain(sentence)))
    for sentence in left_out(result):
        console.print(Text(_plain(sentence), style="yellow"))
    for model in result.models:
        console.print()
        console.print(_headline(model))
        if model.clean_accuracy is not None:
            console.print(Padding(_accuracies(model, result), (0, 0, 0, 2)))
            for sentence in forecasts(model, result.settings):
                console.print(Padding(Text(sentence, style="dim"), (0, 0, 0, 2)))
            console.print()
            console.print(Padding(_attacks(model, result), (0, 0, 0, 2)))
            for sentence in (*surrogate_sentences(model, result.settings), *_trust(model, result)):
                console.print(Padding(Text(_plain(sentence), style="dim"), (0, 0, 0, 2)))
        for finding in model.findings:
            console.print(Padding(_finding(finding), (1, 0, 0, 2)))
    for part in transfer_tables(result):
        console.print(part)
    if any(model.threats for model in result.models):
        console.print()
        console.print(Text(UPPER_BOUND, style="dim"))
    console.print()
    for line in _places(run):
        console.print(line, soft_wrap=True)


def _plain(text: str) -> str:
    return words.printable(text)


def _headline(model: ModelResult) -> Text:
    facts = [model.format, *(f"behind {wrapper}" for wrapper in model.wrappers)]
    if model.clean_accuracy is None:
        facts.append("not audited")
    else:
        facts.append("black-box attacks only" if model.gradients == "none" else f"gradients: {model.gradients}")
        if (precision := model.details.get("search", {}).get("precision", "float32")) != "float32":
            facts.append(f"searched in {precision}")
    return Text.assemble((_plain(model.name), "bold"), (f"  {', '.join(map(_plain, facts))}", "dim"))


def _accuracies(model: ModelResult, result: Result) -> Table:
    n = result.data.n
    table = Table("", "accuracy", f"{confidence(result):.0%} interval", "", box=None, pad_edge=False)
    right = samples(model.clean_accuracy or 0.0, n)
    of = f"{words.count(right)} of {words.count(n, 'sample')}"
    table.add_row("clean", clean_text(model), words.interval(model.clean_interval), of)
    for threat in model.threats:
        under = words.threat(threat.norm, threat.eps, result.settings)
        name = under if threat.minimal else f"under {under}"
        bounds, doubt = interval_text(threat), in_doubt(model, threat)
        value = Text(robust_text(threat), style="bold yellow" if doubt else "bold")
        table.add_row(name, value, bounds, robust_samples(threat, n))
        if doubt:
            table.add_row("", "", "", Text(_plain(doubt), style="yellow"))
        if threat.robust_accuracy_8bit is not None and threat.robust_accuracy_8bit != threat.robust_accuracy:
            rounded = words.count(samples(threat.robust_accuracy_8bit, n))
            share = Text(words.percent(threat.robust_accuracy_8bit), style="dim")
            table.add_row("", share, "", f"{rounded} after 8-bit rounding")
        if threat.certified_accuracy is not None:
            bounds = words.interval(threat.certified_interval)
            table.add_row("", Text(words.percent(threat.certified_accuracy), style="dim"), bounds, "proven: at least")
    return table


def _attacks(model: ModelResult, result: Result) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("attack", overflow="fold")
    for title in ("attacked", "broke", "passes", "time"):
        table.add_column(title, justify="right")
    for threat in model.threats:
        name = words.threat(threat.norm, threat.eps, result.settings)
        table.add_row(Text(f"{name} (broke: found smaller)" if threat.minimal else name, style="dim"))
        for step in cascade(threat.attacks, right_samples(model, threat, result.data.n)):
            # Attacks that a check asked for, and that broke nothing, are in its sentence.
            if not step.run.needless and not (step.run.because and not step.run.broken):
                table.add_row(*_cells(step))
    return table


def _trust(model: ModelResult, result: Result) -> Iterator[str]:
    """What the checks say of each threat's attacks."""
    for threat in model.threats:
        if told := trust_text(threat.checks):
            yield f"{words.threat(threat.norm, threat.eps, result.settings)}: {told}"


def _cells(step: Step) -> Iterator[Text]:
    run = step.run
    if run.status == "ran":
        yield Text.assemble(f"  {_plain(run.name)}", (f"  {_plain(run.because)}", "dim") if run.because else "")
    else:
        style = "dim" if run.status == "skipped" else "yellow"
        yield Text(f"  {_plain(run.name)} {run.status}: {_plain(run.reason)}", style=style)
    if not run.attacked:
        return
    yield Text(words.count(run.attacked))
    yield Text(words.count(run.broken), style="bold" if run.broken else "")
    yield Text(words.count(step.passes))
    yield Text(words.seconds(run.seconds))


def _finding(finding: Finding) -> Text:
    text = Text()
    text.append(f"{finding.severity} {_plain(finding.code)}", style=_SEVERITIES[finding.severity])
    text.append(f"  {_plain(finding.title)}", style="bold")
    for line in (finding.detail, finding.remedy and f"What to do: {finding.remedy}"):
        if line:
            text.append(f"\n{_plain(line)}")
    return text


def _places(run: Run) -> Iterator[Text]:
    for name in _REPORTS:
        if (run.path / name).is_file():
            yield Text(f"report  {_plain(str(run.path / name))}")
    yield Text(f"run     {_plain(str(run.path))}")
