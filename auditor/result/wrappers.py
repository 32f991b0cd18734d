"""What samples pass on their way into a model, as the record holds it."""

from __future__ import annotations

from typing import Any

from auditor.result.frozen import Frozen


class WrapperRecord(Frozen):
    """What is done to samples on their way into the model."""

    name: str
    parameters: dict[str, Any]
    paper: str = ""
    random: bool = False

    def __str__(self) -> str:
        """As `--wrapper` takes it: `jpeg:quality=75`."""
        return ":".join(filter(None, [self.name, ",".join(f"{key}={value}" for key, value in self.parameters.items())]))
