"""Fields of the template context, each with the line of help that template authors read."""

from __future__ import annotations

import dataclasses
from typing import Any


def told(help: str) -> Any:
    """A dataclass field with one line of help."""
    return dataclasses.field(metadata={"help": help})
