"""The context of what checks asked of a threat's attacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.formats import words
from auditor.formats.html import context
from auditor.formats.html.charts.line import line_chart
from auditor.formats.views.trust import came_of_it, chapters, numbers, story, trust_text

if TYPE_CHECKING:
    from auditor.result.record import CheckRun, ThreatResult


def trust_context(threat: ThreatResult) -> context.Trust | None:
    """The inquiries into one threat's attacks; None where there were none."""
    if not threat.checks:
        return None
    spent = sum(check.forwards + check.backwards for check in threat.checks)
    asked = {check.code for check in threat.checks}
    suite = sum(run.forwards + run.backwards for run in threat.attacks if run.because not in asked)
    doubted = [check for check in threat.checks if check.doubt or check.outcome == "doubtful"]
    return context.Trust(
        sentence=trust_text(threat.checks),
        share=words.percent(spent / (spent + suite)) if spent else "",
        doubted=tuple(map(_line, doubted)),
        clear=tuple(_line(check) for check in threat.checks if check not in doubted),
    )


def _line(check: CheckRun) -> context.CheckLine:
    return context.CheckLine(
        code=check.code,
        title=check.title,
        outcome=came_of_it(check),
        mark="inconclusive" if check.outcome == "doubtful" else "info",
        story=story(check),
        chapters=chapters(check),
        numbers=numbers(check.evidence),
        plot=line_chart(f"{check.code}: {check.title}", check.evidence.get("plot")),
        passes=words.count(check.forwards + check.backwards),
    )
