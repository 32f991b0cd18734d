"""The running average of what a network learns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """An exponential moving average of all weights and statistics; with decay 0 it is the network itself."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self._decay = decay
        # Looked up once: whoever changes a network in training does so in place.
        self._current = {name: value for name, value in module.state_dict().items() if value.is_floating_point()}
        self.tensors = {name: value.clone() for name, value in self._current.items()} if decay else {}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Learn from the network after update `step`; early ones count for more, or the start would never fade."""
        if self.tensors:
            share = 1.0 - min(self._decay, (1.0 + step) / (10.0 + step))
            torch._foreach_lerp_(list(self.tensors.values()), list(self._current.values()), share)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within it the network has the averaged weights."""
        before = {name: value.clone() for name, value in self._current.items()} if self.tensors else {}
        self._put(self.tensors)
        try:
            yield
        finally:
            self._put(before)

    def apply(self) -> None:
        """Give the network the averaged weights for good."""
        self._put(self.tensors)

    @torch.no_grad()
    def _put(self, tensors: dict[str, Tensor]) -> None:
        if tensors:
            torch._foreach_copy_(list(self._current.values()), list(tensors.values()))
