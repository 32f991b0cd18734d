"""The model as a plugin sees it from a process of its own: what it asks goes to the engine and is counted there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from auditor.border import Passing
from auditor.engine.view import Gradient
from auditor.errors import PluginError

if TYPE_CHECKING:
    from auditor.engine.view import Loss
    from auditor.isolation.channel import Channel
    from auditor.types import Images, Labels, Logits


class Stop(Passing):
    """The engine wants no more of this. Let it pass."""


@dataclass(frozen=True)
class Line:
    """A way to ask the engine."""

    channel: Channel

    def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Raises Stop."""
        self.channel.send(kind, fields)
        answered, got = self.channel.receive()
        if answered == "stop":
            raise Stop
        return got


class RemoteView:
    """What `auditor.View` is to an attack, from another process; everything is on the CPU."""

    device = torch.device("cpu")

    def __init__(self, line: Line, num_classes: int, rows: Tensor, *, ends: bool = True) -> None:
        self._line, self.num_classes, self._rows, self._ends = line, num_classes, rows, ends

    def _ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        return self._line.ask(kind, at=self._rows, ends=self._ends, **fields)

    def __getattr__(self, name: str) -> Any:
        if name not in LOOKS:
            raise AttributeError(f"a view from another process has no {name!r}")
        return self._ask("look", name=name)["value"]

    def note_closest(self, rows: Tensor, points: Images, margin: Tensor) -> None:
        self._ask("note_closest", rows=_indices(rows), points=points, margin=margin)

    def note_lost(self, rows: Tensor, points: Images) -> None:
        self._ask("note_lost", rows=_indices(rows), points=points)

    def select(self, rows: Tensor) -> RemoteView:
        return RemoteView(self._line, self.num_classes, self._rows[rows], ends=self._ends)

    def unending(self) -> RemoteView:
        return RemoteView(self._line, self.num_classes, self._rows, ends=False)

    def logits(self, x: Images) -> Logits:
        found: Tensor = self._ask("logits", x=x)["value"]
        return found

    def labels(self, x: Images) -> Labels:
        found: Tensor = self._ask("labels", x=x)["value"]
        return found

    def gradient(self, x: Images, y: Labels, loss: Loss) -> Gradient:
        """The loss is a function of this process's: the engine sends logits, and is told the loss and its slope."""
        got = self._ask("gradient", x=x)
        with torch.enable_grad():
            logits = got["logits"].requires_grad_(True)
            losses = loss(logits, y)
            (slopes,) = torch.autograd.grad(losses.sum(), logits)
        got = self._line.ask("slopes", losses=losses, slopes=slopes)
        return Gradient(got["loss"], got["gradient"], got["logits"], got["margin"])

    def answers(self, x: Images, rows: Tensor) -> Logits:
        def ask(points: Tensor, *, graph: bool) -> dict[str, Any]:
            return self._ask("answers", x=points, rows=_indices(rows), graph=graph)

        return followed(self._line, x, ask)


LOOKS = frozenset(
    {"active", "x", "images", "y", "closest", "closest_margin", "nearest", "nearest_distance", "last_margin", "changes"}
)
"""What of a view is there to be looked at."""


def _indices(rows: Tensor) -> Tensor:
    return rows.nonzero().squeeze(1) if rows.dtype is torch.bool else rows


class Asks(Protocol):
    """Another process that can be asked."""

    def ask(self, kind: str, **fields: Any) -> dict[str, Any]: ...


def followed(line: Asks, x: Tensor, ask: Callable[..., dict[str, Any]]) -> Tensor:
    """What is answered elsewhere to `x`, as part of the graph of `x`, if it has one."""
    if not (x.requires_grad and torch.is_grad_enabled()):
        plain: Tensor = ask(x, graph=False)["value"].to(x.device)
        return plain
    made: Tensor = _Followed.apply(x, line, ask)
    return made


class _Followed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, line: Asks, ask: Callable[..., dict[str, Any]]) -> Tensor:
        got = ask(x, graph=True)
        ctx.line, ctx.number = line, got["number"]
        answer: Tensor = got["value"].to(x.device)
        return answer

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Any:
        got = ctx.line.ask("backward", number=ctx.number, slopes=slopes[0])
        if "value" not in got:
            raise PluginError("a gradient is asked of an answer that lies too many answers back")
        return got["value"].to(slopes[0].device), None, None
