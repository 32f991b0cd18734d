"""Gates as lines of the Test Anything Protocol, version 14."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from auditor import Format

if TYPE_CHECKING:
    from auditor import Run


class Tap(Format):
    """A line for each gate, and for programs that read TAP no end of the run without a reason."""

    name: ClassVar[str] = "tap"
    filename: ClassVar[str] = "result.tap"
    help: ClassVar[str] = "A test point for each gate (Test Anything Protocol)."

    def render(self, run: Run, templates: tuple[str, ...] = ()) -> str:
        result = run.result
        lines = ["TAP version 14", f"1..{len(result.gates)}"]
        for number, gate in enumerate(result.gates, 1):
            share = "not evaluated" if gate.value is None else f"{gate.value:.1%}"
            about = _plain(f"{gate.model} {gate.norm} {gate.eps} {gate.rule} {gate.threshold}: {share}, {gate.outcome}")
            lines.append(f"{'ok' if gate.outcome == 'pass' else 'not ok'} {number} - {about}")
        lines.append(f"# {result.verdict}: {_plain(result.summary)}")
        if result.verdict == "error":
            lines.append("Bail out! Not everything could be audited.")
        return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """On one line, with what TAP reads as the beginning of a directive escaped."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("#", "\\#")
