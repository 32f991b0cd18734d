"""What plugins measured, as JSON can hold it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def plain(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers, texts, lists and tables of these as they are; one number of another library as Python's; of all else its
    text."""
    made: dict[str, Any] = json.loads(json.dumps({str(k): v for k, v in evidence.items()}, default=_one))
    return made


def _one(value: object) -> object:
    number = getattr(value, "item", None)
    if callable(number):
        try:
            return number()
        except (ValueError, RuntimeError):
            pass
    return str(value)
