"""What the square attack paints in l2 and l1: pairs of opposed bumps, to which the budget of elsewhere is moved.

Section 3.4 of arXiv:1912.00049. Every sample has windows of its own size, so that searches at different places of their
schedule are painted together; indices and bumps of small windows are padded with repeats of their last pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from auditor.types import Norm
from auditor_attacks._squares import Canvas, covered, offsets, placed

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.rng import Rng
    from auditor.types import Images, Threat

_TINY = 1e-12
_LEAST = 3.0
NUMBERS = 5
"""Uniform numbers that `moved` needs for a sample, and one more for every channel."""


class Window(NamedTuple):
    """A rectangle in every sample: row, column, height and width `(N, 4)`, the pixels it covers as
    `(N, channels, M)` indices, and which of these are named for the first time, `(N, 1, M)` as 0 and 1."""

    square: Tensor
    pixels: Tensor
    once: Tensor

    @classmethod
    def at(cls, canvas: Canvas, size: Tensor, dealt: Tensor) -> Window:
        """Windows of these heights and widths, `(N, 2)`, somewhere in every sample, as numbers say, `(N, 2)`."""
        square = placed(canvas, size, dealt)
        inside = [torch.arange(part.shape[1], device=part.device) <= part for part in offsets(canvas, square)]
        once = (inside[0][:, :, None] & inside[1][:, None, :]).flatten(1)[:, None, :]
        return cls(square, covered(canvas, square), once.to(dealt))


def grid(x: Images, threat: Threat, rng: Rng) -> Images:
    """Where a search begins: bumps of random sign on five by five tiles of every sample."""
    canvas = Canvas.of(x)
    height, width = max(canvas.height // 5, 1), max(canvas.width // 5, 1)
    down, across = canvas.height // height, canvas.width // width
    rows, columns = torch.arange(height, device=x.device)[None], torch.arange(width, device=x.device)[None]
    size = torch.tensor([[height, width]], device=x.device)
    once = x.new_ones(1, height * width)
    tile = _bumps(rows, columns, size, once, torch.tensor([True], device=x.device)).view(1, 1, 1, height, 1, width)
    tiles = rng.signs(canvas.channels, down, 1, across, 1) * tile
    delta = x.new_zeros(len(x), canvas.channels, canvas.height, canvas.width)
    top, left = (canvas.height - down * height) // 2, (canvas.width - across * width) // 2
    shape = (len(x), canvas.channels, down * height, across * width)
    delta[:, :, top : top + down * height, left : left + across * width] = tiles.reshape(shape)
    return _within(canvas, canvas.flat(delta), threat)


def moved(x: Images, image: Images, threat: Threat, share: Tensor, dealt: Tensor) -> Images:
    """The images with the budget of two windows, each of a share of the pixels, `(N,)`, in a fresh bump in the first.

    `dealt` are uniform numbers, `(N, NUMBERS + channels)`.
    """
    canvas, power = Canvas.of(x), 1 if threat.norm is Norm.L1 else 2
    delta = canvas.flat(image - x)
    size = _sizes(canvas, share)
    here, there = Window.at(canvas, size, dealt[:, 0:2]), Window.at(canvas, size, dealt[:, 2:4])

    def length(part: Tensor, window: Window) -> Tensor:
        size: Tensor = torch.linalg.vector_norm(part * window.once, power, dim=2, keepdim=True)
        return size

    spent = torch.linalg.vector_norm(delta, power, dim=(1, 2), keepdim=True).pow_(power)
    unspent = (threat.eps**power - spent).clamp_min_(0.0)
    old = delta.gather(2, here.pixels)
    delta.scatter_(2, here.pixels, 0.0)
    # Gathered after the first window is blank, so that pixels in both count once.
    freed = length(old, here).pow(power) + length(delta.gather(2, there.pixels), there).pow(power)
    delta.scatter_(2, there.pixels, 0.0)
    shape = _bumps(*offsets(canvas, here.square), here.square[:, 2:], here.once[:, 0], dealt[:, 4] < 0.5)
    signs = (dealt[:, NUMBERS:, None] < 0.5).to(delta) * 2.0 - 1.0
    bump = shape[:, None, :] * signs + old / (length(old, here) + _TINY)
    bump *= (unspent / canvas.channels + freed).pow_(1.0 / power) / (length(bump, here) + _TINY)
    if power == 1:
        # The projection takes back what is too much, from all pixels alike.
        bump *= canvas.channels
    return _within(canvas, delta.scatter_(2, here.pixels, bump), threat)


def _within(canvas: Canvas, delta: Tensor, threat: Threat) -> Images:
    """The samples changed by `delta`, which is scaled (l2) to use the whole budget or projected (l1)."""
    x = canvas.x
    if threat.norm is Norm.L1:
        return threat.project(x + delta.view(x.shape), x)
    size: Tensor = torch.linalg.vector_norm(delta, dim=(1, 2), keepdim=True)
    return (delta * (threat.eps / (size + _TINY))).view(x.shape).add_(x).clamp_(0.0, 1.0)


def _sizes(canvas: Canvas, share: Tensor) -> Tensor:
    """Height and width of squares of a share of the pixels, `(N,)` to `(N, 2)`: odd, unless they do not fit; then they
    are pieces of the strip."""
    short, long = sorted((canvas.height, canvas.width))
    area = share * (short * long)
    side, piece = (part.round().clamp_min_(_LEAST).long() | 1 for part in (area.sqrt(), area / short))
    fits = side <= short
    sides = torch.where(fits, side, short), torch.where(fits, side, piece.clamp_max(long))
    return torch.stack(sides if canvas.height <= canvas.width else sides[::-1], 1)


def _bumps(rows: Tensor, columns: Tensor, size: Tensor, once: Tensor, split: Tensor) -> Tensor:
    """Two pyramids side by side in every window, one up and one down, each of l2 length 1: `(N, M)`.

    `rows` `(N, H)` and `columns` `(N, W)` are the places inside, `size` `(N, 2)` the height and width, `once` `(N, M)`
    says which places count. The pyramids lie one above the other where `split`, `(N,)`; or else beside each other, but
    for windows of a single row or column.
    """
    split = (split | (size[:, 1] < 2)) & (size[:, 0] >= 2)
    grids = rows[:, :, None].expand(-1, -1, columns.shape[1]), columns[:, None, :].expand(-1, rows.shape[1], -1)
    down, across = (part.flatten(1) for part in grids)
    along, beside = torch.where(split[:, None], down, across), torch.where(split[:, None], across, down)
    length, breadth = torch.where(split[:, None], size, size.flip(1)).unsqueeze(2).unbind(1)
    half = length // 2
    up = along < half
    side = torch.where(up, half, length - half)
    place = torch.where(up, along, along - half)
    ring = torch.maximum((place - side // 2).abs(), (beside - breadth // 2).abs())
    # A pyramid falls from the middle as the sum of 1/r^2 over the rings outside.
    widest = max(rows.shape[1], columns.shape[1])
    sums = torch.arange(widest // 2 + 2, device=size.device).to(once).clamp_min_(1.0).pow_(-2.0)
    sums[0] = 0.0
    sums = sums.cumsum(0)
    height = sums[torch.maximum(side, breadth) // 2 + 1] - sums[ring]
    raised, lowered = height * up, height * ~up
    lengths = [torch.linalg.vector_norm(part * once, dim=1, keepdim=True) + _TINY for part in (raised, lowered)]
    bump: Tensor = raised / lengths[0] - lowered / lengths[1]
    return bump
