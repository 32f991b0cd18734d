"""Write `docs/reference/checks.md` from the docstrings of the checks: `python docs/generate_checks.py`."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from auditor.check import Check, Stage
from auditor_checks import auditor_checks

PAGE = Path(__file__).parent / "reference" / "checks.md"
INTRODUCTION = """\
# Checks

<!-- Made by docs/generate_checks.py from the docstrings; edit those. -->

A check judges whether an audit can be trusted. What it finds is a finding with a code and a severity:

| severity | what it does |
| --- | --- |
| `info` | nothing; worth knowing |
| `warn` | is shown with the result |
| `inconclusive` | the verdict is *inconclusive*, unless it fails anyway |
| `block` | the model is not audited; exit code 4 |

`auditor explain AUD104` prints the same text. "Proposed" thresholds are ours; the others are those of the source named.
"""
STAGES = {
    Stage.PREFLIGHT: "## Before any attack",
    Stage.INQUIRY: "## Of a threat's attacks, with further attacks where something is doubted",
    Stage.AUDIT: "## After the attacks",
}


def page() -> str:
    """The whole page."""
    checks = auditor_checks()
    parts = [INTRODUCTION, _contents(checks)]
    for stage, heading in STAGES.items():
        parts.append(f"{heading}\n")
        parts += [_section(check) for check in checks if check.stage is stage]
    return "\n".join(parts)


def _contents(checks: list[type[Check]]) -> str:
    rows = [f"| [{c.code}](#{c.code.lower()}) | {_first_line(c)} |" for c in checks]
    return "\n".join(["| code | what should hold |", "| --- | --- |", *rows, ""])


def _section(check: type[Check]) -> str:
    _, _, rest = inspect.cleandoc(check.__doc__ or "").partition("\n\n")
    entries = re.split(r"^(?=\w+: )", rest, flags=re.MULTILINE)
    items = [re.sub(r"^(\w+): ", r"- **\1:** ", " ".join(entry.split())) for entry in entries if entry.strip()]
    return "\n".join([f"### {check.code}", "", f"*{check.title}.* {_first_line(check)}", "", *items, ""])


def _first_line(check: type[Check]) -> str:
    return inspect.cleandoc(check.__doc__ or "").partition("\n")[0]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
