"""Images made smaller by chance, and put somewhere by chance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from auditor.defense import Wrapper
from auditor.parameters import parameter

if TYPE_CHECKING:
    from auditor.types import Images


@dataclass(frozen=True, kw_only=True)
class RandomResize(Wrapper):
    """Shrinks each image to a random size and puts it at a random place, with black around it.

    The paper enlarges the canvas instead; here images keep their size, since most model files take one size only.

    Helps: against examples that depend on where exactly each pixel lies, made without knowing of it.
    Blind to: an attacker who averages gradients over draws (expectation over transformation, Athalye et al.,
        arXiv:1802.00420).
    Cost: nothing worth measuring in one answer; every judgement takes twenty.
    Use it when: the deployed pipeline draws at random; by itself it mostly hides gradients.
    """

    name: ClassVar[str] = "random-resize"
    paper: ClassVar[str] = "arXiv:1711.01991"
    random: ClassVar[bool] = True
    differentiable: ClassVar[bool] = True
    images_only: ClassVar[bool] = True

    smallest: float = parameter(0.9, low=0.1, high=1.0, help="smallest size, as a share of the image's")

    def apply(self, x: Images) -> Images:
        height, width = x.shape[2:]
        size = torch.stack([_whole(len(x), math.ceil(self.smallest * side), side, x) for side in (height, width)], 1)
        room = torch.tensor([height, width], device=x.device) - size
        return placed(x, size, (torch.rand_like(size, dtype=x.dtype) * (room + 1)).floor().long().clamp(max=room))


def _whole(n: int, low: int, high: int, like: Tensor) -> Tensor:
    """Whole numbers from `low` to `high`, `(n,)`."""
    return torch.randint(low, high + 1, (n,), device=like.device)


def placed(x: Images, size: Tensor, corner: Tensor) -> Images:
    """Each image of `(N, C, H, W)` scaled to its `size` (bilinear), with its upper left corner at `corner`, on black;
    both `(N, 2)`, height first."""
    (rows, high), (columns, wide) = (
        _seen(side, size[:, axis, None], corner[:, axis, None], x) for axis, side in enumerate(x.shape[2:])
    )
    shape = (len(x), *x.shape[2:])
    grid = torch.stack([columns[:, None, :].expand(shape), rows[:, :, None].expand(shape)], 3)
    scaled = functional.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return scaled * (high[:, :, None] & wide[:, None, :])[:, None]


def _seen(side: int, size: Tensor, corner: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """Where the pixels of one axis lie in the original, from -1 to 1 over its edges, and which lie inside."""
    at = torch.arange(side, device=like.device) - corner
    return ((2.0 * at + 1.0) / size - 1.0).to(like.dtype), (at >= 0) & (at < size)
