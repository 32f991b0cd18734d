"""Where the square attack paints: every sample has squares of its own, of its own size (arXiv:1912.00049)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor

if TYPE_CHECKING:
    from auditor.rng import Rng
    from auditor.types import Images

Make: TypeAlias = Callable[[Tensor, Tensor], Tensor]

_DRAWN = 64


class Dealer:
    """Deals `width` uniform numbers in `[0, 1)` to every lane and step, or what is made of them; its rows are those of
    the lanes.

    They are drawn for many steps at a time: beside one of these small forward passes, a draw of its own would show.
    """

    def __init__(self, rng: Rng, step: Tensor, width: int, make: Make | None = None) -> None:
        """`make` takes numbers `(M, width)` and the steps that they are for, `(M,)`, to a row for each."""
        self._rng, self._width, self._make = rng, width, make
        self._draw(step)

    def deal(self, step: Tensor) -> Tensor:
        """The row of this step of every lane, `(N, …)`; lanes go on by one step from call to call."""
        if self._at == self._dealt.shape[1]:
            self._draw(step)
        self._at += 1
        return self._dealt[:, self._at - 1]

    def _draw(self, step: Tensor) -> None:
        ahead = torch.arange(max(1, _DRAWN // self._width), device=step.device)
        lanes = torch.arange(len(step), device=step.device).repeat_interleave(len(ahead))
        steps = (step[:, None] + ahead).flatten()
        dealt = self._rng.select(lanes).at(steps).uniform(self._width)
        made = dealt if self._make is None else self._make(dealt, steps)
        self._dealt, self._at = made.view(len(step), len(ahead), -1), 0

    def select(self, rows: Tensor) -> Dealer:
        """For some of the lanes."""
        some = copy.copy(self)
        some._rng, some._dealt = self._rng.select(rows), self._dealt[rows]
        return some

    def overwrite(self, rows: Tensor, fresh: Dealer) -> None:
        """Put as many fresh lanes into these places."""
        self._rng.overwrite(rows, fresh._rng)
        # As many steps as both have left, side by side.
        left = min(self._dealt.shape[1] - self._at, fresh._dealt.shape[1] - fresh._at)
        self._dealt = self._dealt[:, self._at : self._at + left].index_copy(
            0, rows, fresh._dealt[:, fresh._at : fresh._at + left]
        )
        self._at = 0


def squares(canvas: Canvas, share: Tensor, dealt: Tensor) -> Tensor:
    """A square of a share of the pixels, `(N,)`, somewhere in every sample: its first row and column, height and width,
    `(N, 4)`; `dealt` are uniform numbers, `(N, 2)`. Where a square does not fit, it is a piece of the strip.
    """
    most = share.new_tensor([canvas.height, canvas.width])
    area = share[:, None] * (canvas.height * canvas.width)
    side, other = area.sqrt().round_(), most.flip(0)
    size = torch.where(side > other, (area / other).round_(), side).clamp_min_(1.0).minimum(most)
    return placed(canvas, size, dealt)


def placed(canvas: Canvas, size: Tensor, dealt: Tensor) -> Tensor:
    """Rectangles of a height and width, `(N, 2)`, at places as random as `dealt`: what `squares` returns."""
    room = dealt.new_tensor([canvas.height, canvas.width]) - size
    # A number may round up to 1 when it is multiplied, and there is no place beyond the last.
    corner = torch.minimum((dealt * (room + 1.0)).floor_(), room)
    return torch.cat([corner, size.to(corner)], 1).long()


def edges(canvas: Canvas, square: Tensor) -> Tensor:
    """Which rows and which columns lie inside, as 1 and 0: `(N, height + width)`."""
    sides = []
    for axis, length in enumerate((canvas.height, canvas.width)):
        at, first = torch.arange(length, device=square.device), square[:, axis, None]
        sides.append((at >= first) & (at < first + square[:, axis + 2, None]))
    return torch.cat(sides, 1).float()


def covered(canvas: Canvas, square: Tensor) -> Tensor:
    """The pixels inside, `(N, channels, M)` indices of `Canvas.flat`; small squares name theirs more than once."""
    down, across = offsets(canvas, square)
    rows, columns = square[:, :1] + down, square[:, 1:2] + across
    pixels = (rows[:, :, None] * canvas.width + columns[:, None, :]).flatten(1)
    return pixels[:, None, :].expand(-1, canvas.channels, -1)


def offsets(canvas: Canvas, square: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns inside of every square, from 0: `(N, tallest)` and `(N, widest)`; the last stand for more."""
    # An accelerator would have to be waited for to know the largest, so there it is as large as the image.
    on_cpu = square.device.type == "cpu"
    tallest, widest = square[:, 2:].amax(0).tolist() if on_cpu else (canvas.height, canvas.width)
    down, across = (torch.arange(most, device=square.device) for most in (tallest, widest))
    return torch.minimum(down, square[:, 2:3] - 1), torch.minimum(across, square[:, 3:] - 1)


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

    def grid(self, image: Tensor) -> Tensor:
        """A view as `(N, channels, height, width)`."""
        return image.view(len(image), self.channels, self.height, self.width)

    def flat(self, image: Tensor) -> Tensor:
        """A view as `(N, channels, height * width)`."""
        return image.view(len(image), self.channels, self.height * self.width)
