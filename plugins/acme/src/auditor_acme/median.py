"""The median of each pixel and its neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from torch.nn import functional

from auditor import Wrapper, parameter

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Median(Wrapper):
    """Puts the median of its neighbourhood in every pixel's place, as feature squeezing does.

    Helps: against a few pixels that stand out.
    Blind to: an attacker who knows of it, and changes that are smooth.
    Cost: a sort of `(2 * radius + 1)^2` numbers for each pixel.
    """

    name: ClassVar[str] = "median"
    paper: ClassVar[str] = "arXiv:1704.01155"
    images_only: ClassVar[bool] = True
    # The median of a window is one of its pixels, so gradients pass through to that pixel.
    differentiable: ClassVar[bool] = True

    radius: int = parameter(1, help="pixels on each side that count", low=0, high=8)

    def apply(self, x: Tensor) -> Tensor:
        width = 2 * self.radius + 1
        padded = functional.pad(x, [self.radius] * 4, mode="replicate")
        windows = padded.unfold(2, width, 1).unfold(3, width, 1)
        return windows.flatten(4).median(4).values
