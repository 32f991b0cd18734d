"""Adam: Kingma & Ba, arXiv:1412.6980, for attacks that descend an objective of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

_FIRST, _SECOND = 0.9, 0.999
_TINY = 1e-8


class Adam:
    """Turns gradients into steps of about length 1 for every entry; each sample is treated by itself."""

    def __init__(self, like: Tensor) -> None:
        self._mean, self._square = torch.zeros_like(like), torch.zeros_like(like)
        self._steps = 0

    def step(self, gradient: Tensor) -> Tensor:
        """The direction of the next step, `(N, …)`, to be scaled by its length and subtracted."""
        self._steps += 1
        self._mean.lerp_(gradient, 1.0 - _FIRST)
        self._square.lerp_(gradient.square(), 1.0 - _SECOND)
        root = (self._square / (1.0 - _SECOND**self._steps)).sqrt_().add_(_TINY)
        return self._mean / (1.0 - _FIRST**self._steps) / root
