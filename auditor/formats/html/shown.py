"""What templates can use of one picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One of the pictures of an example."""

    uri: Annotated[str, "PNG as a data URI."]
    alt: Annotated[str, "What it shows, for people who hear the page."]
    width: Annotated[int, "In pixels."]
    height: Annotated[int, "In pixels."]
    outline: Annotated[tuple[int, int, int, int] | None, "Left, top, width and height of what is outlined, or None."]
