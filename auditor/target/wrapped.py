"""Wrappers around a model, as its target applies them: exact answers, and gradients from their stand-ins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from auditor.errors import ModelError
from auditor.target.chance import fixed
from auditor.target.through import straight_through
from auditor.types import DRAWS

if TYPE_CHECKING:
    from auditor.defense import Wrapper
    from auditor.types import Images


@dataclass(frozen=True)
class Wrapped:
    """Wrappers in the order in which samples meet them.

    Attributes:
        seed: where one is given, every sample meets the same draws every time.
    """

    wrappers: Sequence[Wrapper]
    seed: int | None = None

    @property
    def draws(self) -> int:
        """Over how many answers a model behind them is judged; 1 where they repeat themselves."""
        return max((max(DRAWS, wrapper.draws) for wrapper in self.wrappers if wrapper.random), default=1)

    @property
    def level(self) -> float:
        """How likely chance may make a wrong class lead that counts: the strictest of them."""
        return min((wrapper.level for wrapper in self.wrappers), default=1.0)

    def __call__(self, x: Images) -> Images:
        """What the model gets instead of `x`, `(N, …)`; gradients flow through.

        Raises:
            ModelError: a wrapper changed the shape.
        """
        return self._all(x) if self.seed is None else fixed(self._all, self.seed)(x)

    def _all(self, x: Images) -> Images:
        for wrapper in self.wrappers:
            made = _way(wrapper)(x)
            if made.shape != x.shape:
                raise ModelError(
                    f"The wrapper {wrapper.name} made {tuple(made.shape)} of samples of shape {tuple(x.shape)}; "
                    "a wrapper keeps the shape."
                )
            x = made
        return x


def _way(wrapper: Wrapper) -> Callable[[Images], Images]:
    """The wrapper as a function whose gradients are those that attacks follow."""
    if wrapper.differentiable:
        return wrapper.apply
    both: Callable[[Images], Images] = straight_through(wrapper.apply, wrapper.stand_in)

    def followed(x: Images) -> Images:
        if x.requires_grad and torch.is_grad_enabled():
            return both(x)
        with torch.no_grad():
            return wrapper.apply(x)

    return followed
