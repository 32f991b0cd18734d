"""Where a search begins inside the ball."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from auditor.types import Norm

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.lanes import Lanes
    from auditor.rng import Rng
    from auditor.steps import Ball

STARTS = ("surface", "corner", "tiles", "closest", "clean")
_SIDES = (1, 2, 4, 7, 14, 28)


def start(name: str, ball: Ball, begun: Lanes) -> Tensor:
    """A starting point per lane, `(L, …)`, inside the ball around its sample.

    `surface`: Auto-PGD's, as far from the sample as the ball allows. `corner`: every pixel at plus or minus `eps`.
    `tiles`: the same, in tiles of one sign, since models whose gradients are masked give way to coarse changes first
    (the reason for the squares of arXiv:1912.00049). `closest`: the best point that earlier attacks found.
    """
    rng = begun.rng.at(begun.goal)
    match name:
        case "closest":
            return ball.project(begun.closest.clone())
        case "clean":
            return begun.x.clone()
        case "tiles" if ball.norm is not Norm.L1:
            return ball.towards(_tiles(begun, rng.fork("tiles")))
        case "corner" if ball.norm is not Norm.L1:
            return ball.towards(rng.signs(*begun.x.shape[1:]))
    # Dense changes of a small l1 ball are nothing but noise, so there everything begins on the surface.
    return ball.surface(rng)


def _tiles(begun: Lanes, rng: Rng) -> Tensor:
    """Random signs in tiles of one random side per lane, shifted at random; inputs that are no images are a row."""
    x = begun.x
    shape = x.shape[1:] if x.dim() == 4 else (1, 1, x[0].numel())
    channels, height, width = shape
    rows, columns = torch.arange(height, device=x.device), torch.arange(width, device=x.device)
    sides = torch.tensor(_SIDES, device=x.device)[rng.integers(len(_SIDES))]
    shift = rng.integers(1 << 16, 2) % sides[:, None]
    down = (rows + shift[:, :1]) // sides[:, None]
    across = (columns + shift[:, 1:]) // sides[:, None]
    signs = rng.signs(channels, height + 1, width + 1)
    lane = torch.arange(len(x), device=x.device)
    tiled: Tensor = signs[lane[:, None, None], :, down[:, :, None], across[:, None, :]]
    return tiled.permute(0, 3, 1, 2).reshape(x.shape)
