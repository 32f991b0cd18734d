"""What `auditor harden` prints and writes when it is done: before and after, what it cost, whether it helped."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from auditor.errors import RunError
from auditor.formats import words
from auditor.result.evidence import atomic_write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

PAGE = "hardened.html"
_POINTS = 25
_LOOKS = {
    "It helped": ("pass", "✓", "bold green"),
    "It did not help": ("fail", "✕", "bold red"),
    "Whether it helped cannot be told": ("inconclusive", "?", "bold yellow"),
}
"""What a result begins with: how the page and the terminal show it."""
_HEADS = ("", "before", "after", "95%", "points", "of them", "wrong at")


@dataclass(frozen=True)
class Line:
    """A threat, or clean samples, in words: accuracies, the interval of the latter, how many points more, whether that
    is more than chance, which of the two is in doubt, and how sure the hardened model is of its mistakes."""

    what: str
    before: str
    after: str
    interval: str
    points: str
    word: str
    doubt: str
    confidence: str
    seen: bool


def lines(record: dict[str, Any]) -> Iterator[Line]:
    """The table, clean accuracy first, then what was trained for, then what never was."""
    against = {"before": "better", "after": "worse"}.get(record["flattered"] or "")
    yield _line("clean", record["clean"], True)
    for threat in sorted(record["threats"], key=lambda each: not each["seen"]):
        name = words.threat(threat["norm"], threat["eps"])
        line = _line(name if threat["seen"] else f"{name}, never seen", threat, threat["seen"])
        # What one of the two was spared explains any difference in its favour.
        yield line if against in (None, line.word) else replace(line, word="not attacked alike")


def _line(what: str, entry: dict[str, Any], seen: bool) -> Line:
    change, after = entry["change"], entry["after"]
    sure = after.get("confidence")
    doubts = [f"{side} {entry[side]['doubt']}" for side in ("before", "after") if entry[side].get("doubt")]
    return Line(
        what=what,
        before=_share(entry["before"]["accuracy"]),
        after=_share(after["accuracy"]),
        interval=words.interval(after["interval"]),
        points=f"{100.0 * (change['after'] - change['before']):+.1f}",
        word=change["word"],
        doubt="; ".join(doubts),
        confidence="" if sure is None else words.percent(sure, 0),
        seen=seen,
    )


def _share(value: float | None) -> str:
    return "unknown" if value is None else words.percent(value)


def facts(record: dict[str, Any]) -> list[str]:
    """What else a reader has to know, in sentences."""
    training, files = record["training"], record["files"]
    kept = next(epoch for epoch in training["history"] if epoch["number"] == training["best"])
    together = f" by {training['processes']} processes together" if training["processes"] > 1 else ""
    said = [
        f"Trained with {record['recipe']['text']} on {record['data']['training']} samples for "
        f"{words.seconds(training['seconds'])}{together}; of {training['epoch']} epochs the network of epoch "
        f"{kept['number']} is kept, with {words.percent(kept['score']['robust'])} robust accuracy on the "
        f"{record['data']['validation']} samples that chose it."
    ]
    if training["best"] == 0:
        said.append("No epoch was better than the model as it was, so the file holds the model as it was.")
    if files["deployed"]:
        written = dict.fromkeys(file for file in (files["deployed"], files.get("program")) if file)
        answer = "answers" if len(written) == 1 else "answer"
        said.append(
            f"{' and '.join(written)} {answer} as the trained network does: probabilities differ by at most "
            f"{files['difference']:.1g}."
        )
    said += [
        f"{line.what}: {line.doubt}. That is an upper bound which checks do not trust; the audit says why."
        for line in lines(record)
        if line.doubt
    ]
    if flattered := record["flattered"]:
        said.append(
            f"Attacks on the model {flattered} training had no gradients to follow; its audit says why. To compare "
            "like with like, bring the hardened model into the form of the other and audit it with --baseline before/."
        )
    return [*said, *record["remarks"]]


def _rise(history: list[dict[str, Any]]) -> dict[str, Any]:
    """The epochs as a line, the last one included, thinned so that points stay apart."""
    shown = history[:: -max(1, len(history) // _POINTS)][::-1]
    return {
        "x": [epoch["number"] for epoch in shown],
        "y": [epoch["score"]["robust"] for epoch in shown],
        "x_title": "epoch",
        "y_title": "robust accuracy of the samples that chose the epoch, after 20 gradient steps",
    }


def render_hardened(record: dict[str, Any], folder: Path, console: Console) -> None:
    """Print the record; names are printed as text."""
    verdict, _, _ = record["result"].partition(": ")
    console.print(Text(words.printable(record["result"]), style=_LOOKS[verdict][2]))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in _HEADS:
        table.add_column(head, justify="left" if head in ("", "of them") else "right", no_wrap=bool(head))
    for line in lines(record):
        table.add_row(*(line.what, line.before, line.after, line.interval, line.points, line.word, line.confidence))
    console.print(table)
    for fact in facts(record):
        console.print(Text(words.printable(fact)))
    console.print(Text(f"Report: {folder / PAGE}; the audits: {folder / 'before'}, {folder / 'after'}."))


def write_hardened(record: dict[str, Any], folder: Path, templates: tuple[str, ...] = ()) -> Path:
    """Write `hardened.html`. Raises RunError where it cannot be written."""
    from auditor.formats.html.charts.line import line_chart
    from auditor.formats.html.environment import render

    # The sentence begins with the verdict, which stands above it already.
    verdict, _, why = record["result"].partition(": ")
    page = {
        "title": "auditor: hardened",
        "look": _LOOKS[verdict][0],
        "sign": _LOOKS[verdict][1],
        "verdict": verdict,
        "result": why[:1].upper() + why[1:],
        "lines": tuple(lines(record)),
        "facts": facts(record),
        "alike": record["flattered"] is None,
        "samples": record["clean"]["change"]["n"],
        "history": record["training"]["history"],
        "best": record["training"]["best"],
        "chart": line_chart("Robust accuracy along the epochs", _rise(record["training"]["history"])),
        "recipe": record["recipe"],
    }
    try:
        atomic_write(folder / PAGE, render("hardened.html.j2", page, templates).encode())
    except OSError as error:
        raise RunError(f"{folder / PAGE} cannot be written: {error.strerror}.") from error
    return folder / PAGE
