"""Write `docs/attacks.md` from the attacks themselves and what was measured: `python docs/generate_attacks.py`."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

from auditor.attack import Attack
from auditor.types import Access, Norm
from auditor.universal import UniversalAttack
from auditor_attacks import auditor_attacks
from auditor_attacks._transfer import TransferAttack

PAGE = Path(__file__).parent / "attacks.md"
MEASURED = Path(__file__).parent / "attacks.json"
INTRODUCTION = """\
# Attacks

<!-- Made by docs/generate_attacks.py from the docstrings and docs/attacks.json; edit those. -->

Every attack that comes along, by what it is for. `auditor explain NAME` prints the same with all parameters;
`--attack NAME:key=value` runs one instead of a suite. [Why the suites have which](explanation/suites.md);
attacks of other libraries run under their own names.

**Beside peers** is the median over networks of [what was measured](benchmarks-attacks.md) at about the same passes:
*size* is our median smallest change over the best peer's (below 1 is better), *found* the difference of success rates
in points (above 0 is better), *time* our CPU time over the fastest peer's (below 1 is better). An empty cell: no peer
has it, or it was not measured.
"""
KINDS = (
    "Within a budget, along gradients",
    "Made for transfer",
    "The smallest change, along gradients",
    "From scores",
    "From labels",
    "Moved pixels",
    "Patches and patterns for many samples",
    "Corruptions",
)


def kind(attack: type[Attack]) -> str:
    """What an attack is for; one of `KINDS`."""
    if Norm.CORRUPTION in attack.norms:
        return KINDS[7]
    if Norm.PATCH in attack.norms or issubclass(attack, UniversalAttack) or attack.name == "sharif":
        return KINDS[6]
    if attack.norms & {Norm.SPATIAL, Norm.FLOW}:
        return KINDS[5]
    if attack.access in (Access.LABELS, Access.SCORES):
        return KINDS[4] if attack.access is Access.LABELS else KINDS[3]
    if attack.minimal:
        return KINDS[2]
    return KINDS[1] if issubclass(attack, TransferAttack) else KINDS[0]


def page() -> str:
    """The whole page."""
    measured = json.loads(MEASURED.read_text(encoding="utf-8")) if MEASURED.is_file() else {}
    attacks = auditor_attacks()
    parts = [INTRODUCTION]
    for title in KINDS:
        members = [attack for attack in attacks if kind(attack) == title]
        if members:
            heads = "| attack | threats | sees | size | found | time |\n| --- | --- | --- | --- | --- | --- |"
            parts += [f"## {title}\n", heads, *(_line(attack, measured) for attack in members), ""]
            parts += [_section(attack) for attack in members]
    return "\n".join(parts)


def _line(attack: type[Attack], measured: dict[str, dict[str, Any]]) -> str:
    said = measured.get(attack.name, {})
    norms = ", ".join(norm for norm in Norm if norm in attack.norms)
    numbers = [_ratio(said.get("size")), _points(said.get("success")), _ratio(said.get("time"))]
    return f"| [{attack.name}](#{attack.name}) | {norms} | {attack.access} | {' | '.join(numbers)} |"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _points(value: float | None) -> str:
    return "" if value is None else f"{100 * value:+.1f}"


def _section(attack: type[Attack]) -> str:
    first, _, rest = inspect.cleandoc(attack.__doc__ or "").partition("\n\n")
    entries = [" ".join(entry.split()) for entry in re.split(r"\n\n|^(?=[A-Z][a-z ]+: )", rest, flags=re.MULTILINE)]
    named = re.compile(r"^([A-Z][a-z ]+): ")
    prose = [entry for entry in entries if entry and not named.match(entry)]
    items = [named.sub(r"- **\1:** ", entry) for entry in entries if named.match(entry)]
    stage = "" if attack.stage == "stable" else f" ({attack.stage}: it never gates)"
    head = f"{' '.join(first.split())} {_paper(attack.paper)}{stage}"
    return "\n".join(
        [f"### {attack.name}", "", head, *(line for entry in prose for line in ("", entry)), "", *items, ""]
    )


def _paper(paper: str) -> str:
    """A link, where the paper is named by arXiv number or DOI."""
    kind_, _, number = paper.partition(":")
    sites = {"arXiv": "https://arxiv.org/abs/", "doi": "https://doi.org/"}
    return f"[{paper}]({sites[kind_]}{number})" if kind_ in sites else paper


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
