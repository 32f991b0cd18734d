"""Reads the documentation: its pages, their fenced blocks, links and headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = tuple(sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("plugins/*/README.md")]))

_FENCE = re.compile(r"^```(\S+)[ ]?(.*?)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.*)$", flags=re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block. `title` is what follows the language: the file that the block shows."""

    language: str
    title: str
    text: str


@dataclass(frozen=True)
class Command:
    """A line after `$ `, and what the page shows below it."""

    line: str
    shown: tuple[str, ...]


def label(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    return [Block(*match) for match in _FENCE.findall(page.read_text(encoding="utf-8"))]


def commands(block: Block) -> Iterator[Command]:
    """The commands of a `console` block, in order."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        joined = part.replace("\\\n", " ")
        line, *shown = joined.splitlines()
        yield Command(line.strip(), tuple(filter(str.strip, shown)))


def links(page: Path) -> list[str]:
    """Targets of the links that stay within the project."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    return [target for target in _LINK.findall(text) if "://" not in target]


def anchors(page: Path) -> set[str]:
    """What `#…` may point at, as GitHub makes it of the headings."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(text)}


def pattern(shown: str) -> re.Pattern[str]:
    """A line of output as the page shows it, in which `...` stands for anything."""
    words = [re.escape(part).replace(r"\ ", " ") for part in shown.strip().split("...")]
    return re.compile(re.sub(r" +", r"\\s+", ".*".join(words)))
