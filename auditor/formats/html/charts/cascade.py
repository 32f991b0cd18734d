"""The cascade: how many samples stand after each attack, and what each attack cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from auditor.formats import words
from auditor.formats.views.cascade import Step
from auditor.result.record import INHERITED

ROW = 62
_LONGEST_NAME = 18


@dataclass(frozen=True, kw_only=True)
class Fall:
    """One attack: a bar of who stands after it, and beside it who fell."""

    y: Annotated[int, "Top of the row, in pixels."]
    name: Annotated[str, "The attack, shortened where it is long."]
    result: Annotated[str, "What it did, in few words."]
    cost: Annotated[str, "What it cost, or why it did not run to its end."]
    standing: Annotated[float, "Who stands after it, in percent of all samples."]
    fallen: Annotated[float, "Who fell to it, in percent of all samples."]
    complete: Annotated[bool, "Whether it ran to its end."]


@dataclass(frozen=True, kw_only=True)
class CascadeChart:
    """One threat."""

    title: Annotated[str, "What the chart shows, in a line."]
    description: Annotated[str, "The same as sentences with the numbers."]
    falls: Annotated[tuple[Fall, ...], "The attacks in order; the first row is the clean pass."]
    height: Annotated[int, "Height in pixels."]


def cascade_chart(steps: Sequence[Step], correct: int, n: int, title: str) -> CascadeChart:
    """The chart of one threat: what was skipped has no row."""
    falls = [
        Fall(
            y=0,
            name="Before any attack",
            result=f"{words.count(n - correct)} of {words.count(n)} misclassified",
            cost="",
            standing=100 * correct / n,
            fallen=0.0,
            complete=True,
        )
    ]
    falls += [
        _fall(step, n, ROW * number)
        for number, step in enumerate((s for s in steps if s.run.status != "skipped"), start=1)
    ]
    spoken = " ".join(f"{fall.name}: {fall.result}. {fall.cost}".rstrip() for fall in falls)
    return CascadeChart(title=title, description=f"{title}. {spoken}", falls=tuple(falls), height=ROW * len(falls) + 4)


def attack_title(name: str) -> str:
    """The attack's name as a reader sees it."""
    return "smaller budget" if name == INHERITED else name


def _fall(step: Step, n: int, y: int) -> Fall:
    run = step.run
    cost = f"{words.count(step.passes, 'pass')}, {words.seconds(run.seconds)}" if step.passes else "no passes"
    if run.status != "ran":
        cost = f"{run.status} after {cost}"
    if run.because:
        cost += f"; {run.because} asked for it"
    some = run.status == "ran" and "closest" in run.reason
    among = f"the {words.count(run.attacked)} closest" if some else words.count(run.attacked)
    return Fall(
        y=y,
        name=words.short(attack_title(run.name), _LONGEST_NAME),
        result=f"broke {words.count(run.broken)} of {among}",
        cost=cost,
        standing=100 * step.after / n,
        fallen=100 * (step.before - step.after) / n,
        complete=run.status == "ran",
    )
