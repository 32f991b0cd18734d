"""What changes with every pass: the last answers of the samples, and the passes that were spent on them.

Most calls ask about the same rows as the call before. What is learned of them is written down when others are asked
about, since beside a small network a few operations on single numbers cost as much as a layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor

if TYPE_CHECKING:
    from auditor.types import Images, Labels, Logits


@dataclass
class Turn:
    """The rows that are asked about now, mostly the same again and again: what is learned of them is written into the
    ledger's columns when it is another's turn, or when somebody reads them."""

    rows: Tensor
    y: Labels
    asked: int = 0
    climbed: int = 0
    led: bool = False
    strayed: bool = True
    """Whether `astray` may hold a number for them."""
    x: Images | None = None
    """Their samples, where somebody asked for them."""
    last: tuple[Logits, Tensor] | None = None
    """Their last answers, and the margins of these."""


@dataclass(kw_only=True)
class Columns:
    """Of N samples with labels `y`."""

    y: Labels
    turn: Turn | None = None
    _logits: Logits
    _last_margin: Tensor
    _asked: Tensor
    _climbed: Tensor
    _led: Tensor

    @property
    def num_classes(self) -> int:
        """Of the answers as attacks see them."""
        return self._logits.shape[1]

    @property
    def logits(self) -> Logits:
        """The last answers, `(N, K)`."""
        return self.written()._logits

    @property
    def last_margin(self) -> Tensor:
        """The margins of the last answers, `(N,)`."""
        return self.written()._last_margin

    @property
    def asked(self) -> Tensor:
        """Forward passes spent on each sample, `(N,)`."""
        return self.written()._asked

    @property
    def climbed(self) -> Tensor:
        """Backward passes spent on each sample, `(N,)`."""
        return self.written()._climbed

    @property
    def led(self) -> Tensor:
        """Which rows were ever given a gradient of finite numbers, `(N,)` bool."""
        return self.written()._led

    def last(self, rows: Tensor) -> tuple[Logits, Tensor]:
        """The last answers of some rows, and their margins."""
        if self.turn is not None and self.turn.rows is rows and self.turn.last is not None:
            return self.turn.last
        return self.logits.index_select(0, rows), self.last_margin.index_select(0, rows)

    def count(self, rows: Tensor, asked: int, climbed: int = 0) -> None:
        """Count passes of these rows, forward and backward, as many for each."""
        turn = self.turn_of(rows)
        turn.asked += asked
        turn.climbed += climbed

    def turn_of(self, rows: Tensor) -> Turn:
        """The turn of these rows, which begins now if it was another's."""
        if self.turn is None or self.turn.rows is not rows:
            self.written()
            self.turn = Turn(rows, self.y.index_select(0, rows))
        return self.turn

    def written(self) -> Self:
        """Itself, with what was learned in the turn written down."""
        if (turn := self.turn) is not None:
            for column, passes in ((self._asked, turn.asked), (self._climbed, turn.climbed)):
                if passes:
                    column.index_add_(0, turn.rows, torch.full_like(turn.rows, passes))
            if turn.led:
                self._led.index_fill_(0, turn.rows, True)
            if turn.last is not None:
                self._logits.index_copy_(0, turn.rows, turn.last[0])
                self._last_margin.index_copy_(0, turn.rows, turn.last[1])
            turn.asked, turn.climbed, turn.led, turn.last = 0, 0, False, None
        return self
