"""One node of a graph, with its attributes parsed and its operator chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from auditor.errors import ModelError
from auditor.onnx.registry import Operator


@dataclass(frozen=True)
class Node:
    """What a builder sees: attributes, which inputs and outputs are used, and inputs known in advance."""

    op_type: str
    domain: str
    name: str
    opset: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    operator: Operator | None = None
    known: tuple[torch.Tensor | None, ...] = field(default=(), compare=False)

    def with_known(self, known: tuple[torch.Tensor | None, ...]) -> Node:
        """The same node, told which of its inputs are constant for the plan being made."""
        return replace(self, known=known)

    def constant(self, index: int) -> torch.Tensor | None:
        """The input's value where it does not depend on the data, else None."""
        return self.known[index] if index < len(self.known) else None

    def has_input(self, index: int) -> bool:
        return index < len(self.inputs) and bool(self.inputs[index])

    def has_output(self, index: int) -> bool:
        return index < len(self.outputs) and bool(self.outputs[index])

    def integer(self, name: str, default: int) -> int:
        return int(self._attribute(name, default, (int,)))

    def number(self, name: str, default: float) -> float:
        return float(self._attribute(name, default, (int, float)))

    def text(self, name: str, default: str) -> str:
        return str(self._attribute(name, default, (str,)))

    def integers(self, name: str) -> list[int] | None:
        """The list of whole numbers, or None where the attribute is absent."""
        return None if name not in self.attributes else list(self._attribute(name, None, (list,)))

    numbers = integers

    def _attribute(self, name: str, default: Any, types: tuple[type, ...]) -> Any:
        value = self.attributes.get(name, default)
        if not isinstance(value, types):
            raise self.error(f"the attribute {name!r} has the value {value!r}, which is of the wrong type")
        return value

    def error(self, text: str) -> ModelError:
        """A ModelError that says at which node `text` is true."""
        return ModelError(f"{self}: {text}.")

    def __str__(self) -> str:
        domain = f"{self.domain}::" if self.domain else ""
        return f"Node {self.name!r} ({domain}{self.op_type}, opset {self.opset})"
