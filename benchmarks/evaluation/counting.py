"""Counting on both sides alike: a wrapper of a network, and a clock that knows the CPU time too."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn


@dataclass
class Pass:
    """One call of a network: its rows, in what precision and layout, and whether a gradient came back."""

    network: str
    rows: int
    dtype: torch.dtype
    channels_last: bool
    autocast: torch.dtype | None
    backward: bool = False


@dataclass
class Log:
    """The calls so far. A copy of a counted network, in another precision say, writes into the same log."""

    passes: list[Pass] = field(default_factory=list)
    backwards: int = 0

    @property
    def forwards(self) -> int:
        return sum(one.rows for one in self.passes)

    def clear(self) -> None:
        self.passes, self.backwards = [], 0

    def __deepcopy__(self, memo: dict[int, Any]) -> Log:
        return self


class Counted(nn.Module):
    """A network that logs the samples that pass through it, forwards and backwards."""

    def __init__(self, network: Callable[[Tensor], Tensor], log: Log | None = None, name: str = "network") -> None:
        super().__init__()
        self._network, self._name = network, name
        # Peers ask the first parameter for the device; a function has none.
        self._device = nn.Parameter(torch.zeros(()), requires_grad=False)
        self.log = log or Log()
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        self.log.passes.append(one := self._pass(x))
        answer = self._network(x)
        if answer.requires_grad:

            def count(gradient: Tensor) -> None:
                one.backward = True
                self.log.backwards += len(gradient)

            answer.register_hook(count)  # type: ignore[no-untyped-call]
        return answer

    def _pass(self, x: Tensor) -> Pass:
        last = x.dim() == 4 and x.shape[1] > 1 and x.is_contiguous(memory_format=torch.channels_last)
        cast = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None
        return Pass(self._name, len(x), x.dtype, last and not x.is_contiguous(), cast)


@dataclass
class Clock:
    """`cpu` and `wall` seconds of the block that it is the context of."""

    cpu: float = 0.0
    wall: float = 0.0

    def __enter__(self) -> Clock:
        self._from = time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *error: object) -> None:
        self.cpu, self.wall = time.process_time() - self._from[0], time.perf_counter() - self._from[1]
