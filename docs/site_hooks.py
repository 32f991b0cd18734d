"""What the site makes of the pages: navigation from the index, and above blocks of code the file that they show."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

_SECTION = re.compile(r"^\*\*(.+?)\*\*", flags=re.MULTILINE)
_PAGE = re.compile(r"\]\(([\w/.-]+\.md)\)")
_TITLED = re.compile(r"^```(\w+) (\S+)$", flags=re.MULTILINE)


def on_config(config: Any) -> Any:
    """The navigation is the index page: what stands in bold is a section, what it links to are its pages."""
    index = Path(config.docs_dir, "index.md").read_text(encoding="utf-8")
    _, *parts = _SECTION.split(index)
    sections = [{title: _PAGE.findall(text)} for title, text in zip(parts[::2], parts[1::2], strict=True)]
    config.nav = [{"Home": "index.md"}, *sections]
    return config


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Python-Markdown knows one word after a fence, where GitHub takes the first and leaves the others."""
    return _TITLED.sub(r"`\2`:\n\n```\1", markdown)
