"""How `auditor doctor MODEL` looks: three sections, fit for 80 columns, plain where the output is no terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from auditor.formats.words import printable

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = {"block": "red", "inconclusive": "yellow", "warn": "yellow", "info": "dim"}
SEVERITIES = tuple(_STYLES)
"""The worst first."""


@dataclass(frozen=True)
class Obstacle:
    """Something that stands in the way: how badly (one of `SEVERITIES`), what, why, and what to do about it."""

    severity: str
    title: str
    detail: str
    remedy: str = ""
    code: str = ""


@dataclass
class Page:
    """What there is to say of a model: what it is, what auditor does with it, what stands in the way."""

    title: str
    identity: list[tuple[str, str]] = field(default_factory=list)
    files: list[tuple[str, str]] = field(default_factory=list)
    abilities: list[tuple[str, str]] = field(default_factory=list)
    obstacles: list[Obstacle] = field(default_factory=list)

    @property
    def usable(self) -> bool:
        """Whether the model can be audited at all."""
        return all(obstacle.severity != "block" for obstacle in self.obstacles)


def render_identity(page: Page, console: Console) -> None:
    """Print what the model is. Names from files are printed as text: they cannot format or drive the terminal."""
    console.print(Text(printable(page.title), style="bold"))
    console.print(_facts(page.identity))


def render_trial(page: Page, console: Console) -> None:
    """Print, below what the model is, what loading and trying it showed."""
    if page.files:
        console.print(_facts(page.files))
    if page.abilities:
        console.print(Text("\nWhat auditor does with it", style="bold"))
        console.print(_facts(page.abilities))
    console.print(Text("\nWhat stands in the way", style="bold"))
    for number, obstacle in enumerate(page.obstacles):
        console.print(Padding(_said(obstacle), (1 if number else 0, 0, 0, 2), expand=False))
    if not page.obstacles:
        console.print("  Nothing.")


def _facts(facts: Sequence[tuple[str, str]]) -> Padding:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True, min_width=12)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(name, Text(printable(value)))
    return Padding(table, (0, 0, 0, 2), expand=False)


def _said(obstacle: Obstacle) -> Text:
    text = Text()
    text.append(f"{obstacle.severity} {obstacle.code}".strip(), style=_STYLES.get(obstacle.severity, "yellow"))
    text.append(f"  {printable(obstacle.title)}", style="bold")
    for line in (obstacle.detail, obstacle.remedy and f"What to do: {obstacle.remedy}"):
        if line:
            text.append(f"\n{printable(line)}")
    return text
