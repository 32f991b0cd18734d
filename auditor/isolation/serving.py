"""Answers to what a plugin asks from its own process: by a view that counts, or by a target."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from auditor.errors import PluginError
from auditor.isolation.remote import LOOKS

if TYPE_CHECKING:
    from auditor.engine.scene import Scene
    from auditor.engine.view import View
    from auditor.isolation.process import Exchange, Fields

_KEPT = 16
"""Answers whose graphs are kept for a plugin to follow."""


class Graphs:
    """Answers that gradients may be asked of later."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}
        self._count = 0

    def answered(self, source: Callable[[Tensor], Tensor], x: Tensor, *, graph: bool) -> Fields:
        """What `source` says of `x`."""
        if not graph:
            with torch.no_grad():
                return {"value": source(x)}
        with torch.enable_grad():
            leaf = x.detach().requires_grad_(True)
            answer = source(leaf)
        self._count += 1
        self._kept[self._count] = leaf, answer
        self._kept.pop(self._count - _KEPT, None)
        return {"value": answer, "number": self._count}

    def followed(self, number: int, slopes: Tensor) -> Fields:
        """The gradient of an answer; nothing where it is kept no more."""
        if number not in self._kept:
            return {}
        leaf, answer = self._kept[number]
        (gradient,) = torch.autograd.grad(answer, leaf, slopes.to(answer), retain_graph=True)
        return {"value": gradient}


class Serving:
    """Answers for an attack, by the engine's own view of the batch: it counts, spares and remembers as ever."""

    def __init__(self, view: View) -> None:
        self._view, self._graphs = view, Graphs()

    def answer(self, kind: str, told: Fields, exchange: Exchange) -> Fields:
        """Raises whatever the view raises."""
        if kind == "backward":
            return self._graphs.followed(told["number"], told["slopes"])
        device = self._view.device
        given: dict[str, Any] = {k: v.to(device) if isinstance(v, Tensor) else v for k, v in told.items()}
        view = self._view.select(given.pop("at"))
        view = view if given.pop("ends") else view.unending()
        match kind:
            case "look" if given["name"] in LOOKS:
                return {"value": getattr(view, given["name"])}
            case "logits" | "labels":
                return {"value": getattr(view, kind)(given["x"])}
            case "note_closest" | "note_lost":
                getattr(view, kind)(**given)
                return {}
            case "answers":
                rows = given["rows"]
                return self._graphs.answered(lambda x: view.answers(x, rows), given["x"], graph=bool(given["graph"]))
            case "gradient":

                def loss(logits: Tensor, y: Tensor) -> Tensor:
                    said = exchange("answer", {"logits": logits})
                    told: Tensor = _Told.apply(logits, said["losses"].to(logits), said["slopes"].to(logits))
                    return told

                found = view.gradient(given["x"], view.y, loss)
                return dict(zip(("loss", "gradient", "logits", "margin"), found, strict=True))
        raise PluginError(f"it asked for {kind!r}, which there is not")


class _Told(torch.autograd.Function):
    """Losses that were computed elsewhere, with their slopes."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, losses: Tensor, slopes: Tensor) -> Tensor:
        if losses.shape != logits.shape[:1] or slopes.shape != logits.shape:
            raise PluginError(f"its loss has the shape {tuple(losses.shape)} for {len(logits)} samples")
        ctx.save_for_backward(slopes)
        return losses.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (slopes,) = ctx.saved_tensors
        return gradients[0][:, None] * slopes, None, None


class ServingScene:
    """Answers for a check, by the model and the samples that it looks at."""

    def __init__(self, scene: Scene) -> None:
        self._scene, self._graphs = scene, Graphs()

    def answer(self, kind: str, told: Fields, exchange: Exchange) -> Fields:
        """Raises whatever model and samples raise."""
        target, samples = self._scene.target, self._scene.samples
        match kind:
            case "backward":
                return self._graphs.followed(told["number"], told["slopes"].to(target.device))
            case "model":
                return {"value": target.answer(told["x"])}
            case "twin":
                x = told["x"].to(target.device)
                return self._graphs.answered(target.differentiable, x, graph=bool(told["graph"]))
            case "fetch":
                return {"value": samples.fetch([int(index) for index in told["indices"]])}
            case "names":
                return {"value": samples.names([int(index) for index in told["indices"]])}
        raise PluginError(f"it asked for {kind!r}, which there is not")
