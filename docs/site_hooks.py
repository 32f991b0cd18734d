"""What the site needs beyond the pages as they stand: the name of the file that a block of code shows, above it."""

from __future__ import annotations

import re
from typing import Any

_TITLED = re.compile(r"^```(\w+) (\S+)$", flags=re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Python-Markdown knows one word after a fence, where GitHub takes the first and leaves the others."""
    return _TITLED.sub(r"`\2`:\n\n```\1", markdown)
