"""Where the square attack paints, and what: flat squares for linf, opposed bumps for l2 and l1.

Every sample has squares of its own. All bumps of one query are equally large, so a batch is painted by one gather and
one scatter; see section 3.4 of arXiv:1912.00049.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch

from auditor.norms import per_sample
from auditor.types import Norm

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.rng import Rng
    from auditor.types import Images, Threat

_TINY = 1e-12
_DRAWN = 64


class Window(NamedTuple):
    """A rectangle in every sample: its size, and the pixels it covers as `(N, channels, height * width)` indices."""

    height: int
    width: int
    pixels: Tensor


class Dealer:
    """Deals `width` uniform numbers in `[0, 1)` to every lane and step; its rows are those of the lanes.

    They are drawn for many steps at a time: beside one of these small forward passes, a draw of its own would show.
    """

    def __init__(self, rng: Rng, step: Tensor, width: int) -> None:
        self._rng, self._width = rng, width
        self._draw(step)

    def deal(self, step: Tensor) -> Tensor:
        """The numbers of this step of every lane, `(N, width)`; lanes go on by one step from call to call."""
        if not self._left:
            self._draw(step)
        self._left -= 1
        return self._dealt[torch.arange(len(step), device=step.device), step - self._first]

    def _draw(self, step: Tensor) -> None:
        ahead = torch.arange(max(1, _DRAWN // self._width), device=step.device)
        lanes = torch.arange(len(step), device=step.device).repeat_interleave(len(ahead))
        dealt = self._rng.select(lanes).at((step[:, None] + ahead).flatten()).uniform(self._width)
        self._dealt = dealt.view(len(step), len(ahead), self._width)
        self._first, self._left = step.clone(), len(ahead)

    def select(self, rows: Tensor) -> Dealer:
        """For some of the lanes."""
        some = copy.copy(self)
        some._rng, some._dealt, some._first = self._rng.select(rows), self._dealt[rows], self._first[rows]
        return some

    def overwrite(self, rows: Tensor, fresh: Dealer) -> None:
        """Put as many fresh lanes into these places."""
        self._rng.overwrite(rows, fresh._rng)
        self._dealt.index_copy_(0, rows, fresh._dealt)
        self._first.index_copy_(0, rows, fresh._first)
        self._left = min(self._left, fresh._left)


def squares(canvas: Canvas, share: Tensor, dealt: Tensor) -> Tensor:
    """A square of a share of the pixels, `(N,)`, somewhere in every sample: its first row and column, height and width,
    `(N, 4)`; `dealt` are uniform numbers, `(N, 2)`. Where a square does not fit, it is a piece of the strip.
    """
    most = share.new_tensor([canvas.height, canvas.width])
    area = share[:, None] * (canvas.height * canvas.width)
    side, other = area.sqrt().round_(), most.flip(0)
    size = torch.where(side > other, (area / other).round_(), side).clamp_min_(1.0).minimum(most)
    room = most - size
    # A number may round up to 1 when it is multiplied, and there is no place beyond the last.
    corner = torch.minimum((dealt * (room + 1.0)).floor_(), room)
    return torch.cat([corner, size], 1).long()


def covered(canvas: Canvas, square: Tensor) -> Tensor:
    """The pixels inside, `(N, channels, M)` indices of `Canvas.flat`; small squares name theirs more than once."""
    top, left, height, width = square.unsqueeze(2).unbind(1)
    # An accelerator would have to be waited for to know the largest, so there it is as large as the image.
    on_cpu = square.device.type == "cpu"
    tallest, widest = square[:, 2:].amax(0).tolist() if on_cpu else (canvas.height, canvas.width)
    rows, columns = top + _up_to(height, tallest), left + _up_to(width, widest)
    pixels = (rows[:, :, None] * canvas.width + columns[:, None, :]).flatten(1)
    return pixels[:, None, :].expand(-1, canvas.channels, -1)


def _up_to(size: Tensor, most: int) -> Tensor:
    """0, 1, 2, … for every size, `(N, 1)` to `(N, most)`, which stays at its size less 1 once it is there."""
    return torch.minimum(torch.arange(most, device=size.device), size - 1)


def _signs(uniform: Tensor) -> Tensor:
    """-1 or +1 from uniform numbers, `(N, channels)` to `(N, channels, 1)`."""
    return ((uniform < 0.5).to(uniform.dtype) * 2.0 - 1.0).unsqueeze(2)


@dataclass(frozen=True)
class Canvas:
    """Samples as `(N, channels, height, width)`; inputs that are no images are a single row of pixels."""

    x: Images
    channels: int
    height: int
    width: int

    @classmethod
    def of(cls, x: Images) -> Canvas:
        """Images as they are, `(N, C, L)` as C rows, anything else flattened."""
        match x.shape[1:]:
            case (channels, height, width):
                return cls(x, channels, height, width)
            case (channels, length):
                return cls(x, channels, 1, length)
        return cls(x, 1, 1, x[0].numel())

    def flat(self, image: Tensor) -> Tensor:
        """A view as `(N, channels, height * width)`."""
        return image.view(len(image), self.channels, self.height * self.width)

    def size(self, share: float, least: int) -> tuple[int, int]:
        """Height and width of a square of this share of the pixels; a piece of the strip where it does not fit."""
        odd = int(least > 1)
        area = share * self.height * self.width
        side = max(round(math.sqrt(area)), least) | odd
        if side <= min(self.height, self.width):
            return side, side
        if self.height <= self.width:
            return self.height, min(max(round(area / self.height), least) | odd, self.width)
        return min(max(round(area / self.width), least) | odd, self.height), self.width

    def window(self, size: tuple[int, int], uniform: Tensor) -> Window:
        """A rectangle of this size somewhere in every sample, as a number in `[0, 1)` says, `(N,)`."""
        height, width = size
        device = self.x.device
        across = self.width - width + 1
        places = (self.height - height + 1) * across
        # A number may round up to 1 when it is multiplied, and there is no place beyond the last.
        place = (uniform * places).long().clamp_max_(places - 1)
        corner = place // across * self.width + place % across
        rows = torch.arange(height, device=device)[:, None] * self.width
        inside = (rows + torch.arange(width, device=device)).view(-1)
        pixels = (corner[:, None] + inside)[:, None, :].expand(-1, self.channels, -1)
        return Window(height, width, pixels)


class Spikes:
    """l2 and l1: a grid of bumps, then the budget of one window is moved into a fresh bump in another."""

    def __init__(self, canvas: Canvas, threat: Threat, rng: Rng, image: Images | None = None) -> None:
        self._canvas, self._threat, self._rng = canvas, threat, rng
        self._query = torch.zeros(len(canvas.x), dtype=torch.int64, device=canvas.x.device)
        self._dealer = Dealer(rng.fork("bumps"), self._query, 3 + canvas.channels)
        self._power = 1 if threat.norm is Norm.L1 else 2
        self.image = self._best = self._within(self._grid()) if image is None else image

    def paint(self, share: float) -> None:
        """Move budget between two windows of every sample, each of this share of the pixels."""
        canvas = self._canvas
        delta = canvas.flat(self._best - canvas.x)
        size = canvas.size(share, 3)
        dealt = self._dealer.deal(self._query)
        self._query += 1
        here, there = canvas.window(size, dealt[:, 0]), canvas.window(size, dealt[:, 1])
        spent = torch.linalg.vector_norm(delta, self._power, dim=(1, 2), keepdim=True).pow_(self._power)
        unspent = (self._threat.eps**self._power - spent).clamp_min_(0.0)
        old = delta.gather(2, here.pixels)
        delta.scatter_(2, here.pixels, 0.0)
        # Gathered after the first window is blank, so that pixels in both count once.
        freed = self._length(old).pow(self._power) + self._length(delta.gather(2, there.pixels)).pow(self._power)
        delta.scatter_(2, there.pixels, 0.0)
        bump = self._bumps(here, dealt[:, 2:]) + old / (self._length(old) + _TINY)
        bump *= (unspent / canvas.channels + freed).pow_(1.0 / self._power) / (self._length(bump) + _TINY)
        if self._power == 1:
            # The projection takes back what is too much, from all pixels alike.
            bump *= canvas.channels
        self.image = self._within(delta.scatter_(2, here.pixels, bump))

    def settle(self, better: Tensor) -> None:
        """Keep what was painted on these samples, `(N,)`; undo it on the others."""
        self.image = self._best = torch.where(per_sample(better, self.image), self.image, self._best)

    def _within(self, delta: Tensor) -> Images:
        """The sample changed by `delta`, which is scaled (l2) to use the whole budget or projected (l1)."""
        x = self._canvas.x
        if self._power == 1:
            return self._threat.project(x + delta.view(x.shape), x)
        size: Tensor = torch.linalg.vector_norm(delta, dim=(1, 2), keepdim=True)
        return (delta * (self._threat.eps / (size + _TINY))).view(x.shape).add_(x).clamp_(0.0, 1.0)

    def _grid(self) -> Tensor:
        """Bumps of random sign on five by five tiles, `(N, channels, height * width)`."""
        canvas, n = self._canvas, len(self._canvas.x)
        height, width = max(canvas.height // 5, 1), max(canvas.width // 5, 1)
        down, across = canvas.height // height, canvas.width // width
        signs = self._rng.signs(canvas.channels, down, 1, across, 1)
        tiles = (signs * _bump(height, width, canvas.x)[None, :, None, :]).reshape(n, -1, down * height, across * width)
        delta = canvas.x.new_zeros(n, canvas.channels, canvas.height, canvas.width)
        top, left = (canvas.height - down * height) // 2, (canvas.width - across * width) // 2
        delta[:, :, top : top + down * height, left : left + across * width] = tiles
        return canvas.flat(delta)

    def _bumps(self, window: Window, uniform: Tensor) -> Tensor:
        """Bumps of random sign and direction for a window of every sample, `(N, channels, height * width)`."""
        like, height, width = self._canvas.x, window.height, window.width
        lying, standing = _bump(height, width, like).reshape(-1), _bump(width, height, like).T.reshape(-1)
        turned = uniform[:, :1, None] < 0.5
        return torch.where(turned, lying, standing) * _signs(uniform[:, 1:])

    def _length(self, delta: Tensor) -> Tensor:
        length: Tensor = torch.linalg.vector_norm(delta, self._power, dim=2, keepdim=True)
        return length


def _bump(height: int, width: int, like: Tensor) -> Tensor:
    """Two pyramids side by side, one up and one down, `(height, width)`; split along the height where it has two."""
    if height < 2:
        return _bump(width, height, like).T if width > 1 else like.new_ones(1, 1)
    return torch.cat([_pyramid(height // 2, width, like), -_pyramid(height - height // 2, width, like)])


def _pyramid(height: int, width: int, like: Tensor) -> Tensor:
    """Falls from the middle as the sum of 1/r^2 over the rings outside; of l2 length 1."""
    down = (torch.arange(height, device=like.device) - height // 2).abs()
    across = (torch.arange(width, device=like.device) - width // 2).abs()
    ring = torch.maximum(down[:, None], across)
    terms = torch.arange(1, max(height, width) // 2 + 2, device=like.device, dtype=like.dtype).pow(-2.0)
    pyramid = terms.flip(0).cumsum(0).flip(0)[ring]
    return pyramid / pyramid.square().sum().sqrt()
