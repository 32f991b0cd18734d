"""`metrics.txt`: the numbers of a run as OpenMetrics text, for GitLab's metrics reports and for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from auditor.formats import words
from auditor.formats.base import Format

if TYPE_CHECKING:
    from auditor.result.record import Result
    from auditor.result.run import Run

_HELP = {
    "auditor_accuracy": "Share of all samples that is classified correctly.",
    "auditor_robust_accuracy": "Share of all samples that no attack within the budget broke; an upper bound.",
    "auditor_certified_accuracy": "Share of all samples proven unbreakable within the budget; a lower bound.",
    "auditor_smallest_change": "Median of the smallest changes that fool the model.",
    "auditor_doubts": "Findings because of which the evaluation cannot be trusted.",
    "auditor_exit_code": "0 pass, 1 fail, 3 inconclusive, 4 could not be audited.",
}


class Metrics(Format):
    """Gauges with the model and the budget as labels; what is not known is left out."""

    name = "metrics"
    filename = "metrics.txt"
    help = "OpenMetrics text, as GitLab's metrics reports and Prometheus read it."

    def render(self, run: Run, templates: tuple[str, ...] = ()) -> str:
        """A family after the other, and `# EOF`."""
        values = list(_values(run.result))
        lines = []
        for name, text in _HELP.items():
            lines += [f"# TYPE {name} gauge", f"# HELP {name} {text}"]
            lines += [f"{name}{labels} {value:.6g}" for family, labels, value in values if family == name]
        return "\n".join([*lines, "# EOF"]) + "\n"


def _values(result: Result) -> Iterator[tuple[str, str, float]]:
    yield "auditor_exit_code", "", result.exit_code
    for model in result.models:
        if model.clean_accuracy is not None:
            yield "auditor_accuracy", _labels(model=model.name), model.clean_accuracy
        doubts = sum(finding.severity in ("block", "inconclusive") for finding in model.findings)
        yield "auditor_doubts", _labels(model=model.name), doubts
        for threat in model.threats:
            labels = _labels(model=model.name, norm=threat.norm.value, eps=words.budget(threat.norm, threat.eps))
            if threat.smallest is not None:
                if threat.smallest.median is not None:
                    yield "auditor_smallest_change", labels, threat.smallest.median
            elif threat.robust_accuracy is not None:
                yield "auditor_robust_accuracy", labels, threat.robust_accuracy
            if threat.certified_accuracy is not None:
                yield "auditor_certified_accuracy", labels, threat.certified_accuracy


def _labels(**labels: str) -> str:
    return "{" + ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items()) + "}"


def _escaped(text: str) -> str:
    return words.printable(text).replace("\\", "\\\\").replace('"', '\\"')
