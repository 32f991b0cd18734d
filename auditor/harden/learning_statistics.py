"""Batch normalisation in training mode where a graph has it in eval mode: in twins of ONNX files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch.nn import functional
from torch.overrides import TorchFunctionMode

MOMENTUM = 0.1
"""How much of a batch's statistics is learned; the default of PyTorch, and of ONNX."""


class LearningStatistics(TorchFunctionMode):
    """Within it, batch normalisation takes the statistics of the batch, and its running ones learn from them."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is functional.batch_norm:
            return func(*args, **{**(kwargs or {}), "training": True, "momentum": MOMENTUM})
        return func(*args, **(kwargs or {}))
