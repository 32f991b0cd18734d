"""Is the model at rest while it is judged?"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from torch import nn

from auditor.check import Finding, Severity
from auditor_checks._base import TrustCheck

if TYPE_CHECKING:
    from auditor.engine.scene import Scene
    from auditor.target.base import Target

_NORMS = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm)
_DROPOUTS = (nn.modules.dropout._DropoutNd, nn.RReLU)
_DEPTH = 4
_SHOWN = 5


class EvalMode(TrustCheck):
    """No layer is in training mode while the model is audited.

    Seen: BatchNorm or dropout layers in training mode, after everything was put into eval mode.
    Means: BatchNorm in training mode judges a sample by its batch, and changes with every question; dropout answers
        differently each time. Attacks "fail" because the model keeps moving (foolbox #74, torchattacks #21).
    Measured: the training flags of all submodules that can be reached from the model, and which BatchNorm layers
        keep no running statistics; needs no pass through the model. ONNX files have no modes.
    Threshold: any such layer (proposed).
    Do: do not override `train()`; build BatchNorm with `track_running_stats=True`; export the model in eval mode.
    """

    code: ClassVar[str] = "AUD106"
    title: ClassVar[str] = "Layers are in training mode"

    def inspect(self, scene: Scene) -> Iterator[Finding]:
        with scene.target.frozen():
            norms = [name for name, layer in _layers(scene.target) if isinstance(layer, _NORMS) and _by_batch(layer)]
            dropouts = [
                name for name, layer in _layers(scene.target) if isinstance(layer, _DROPOUTS) and layer.training
            ]
        if norms:
            yield self.finding(
                Severity.BLOCK,
                f"{_listed(norms)} computed with the statistics of the batch, so answers depend on the other samples.",
                "Let the model put these layers into eval mode (does it override train()?), with running statistics.",
                title="BatchNorm layers use the batch's statistics",
            )
        if dropouts:
            yield self.finding(
                Severity.WARN,
                f"{_listed(dropouts)} still dropping values in eval mode, so the model answers at random.",
                "If this randomness is not deployed, let the model put these layers into eval mode.",
                title="Dropout layers are active",
            )


def _by_batch(layer: Any) -> bool:
    if isinstance(layer, nn.modules.instancenorm._InstanceNorm):
        # Without running statistics it normalises each sample by itself, at rest as in training.
        return layer.training and layer.track_running_stats
    return bool(layer.training or layer.running_mean is None)


def _layers(target: Target) -> Iterator[tuple[str, nn.Module]]:
    """Every submodule of the model, by name."""
    seen: set[int] = set()
    for thing in (target.deployed, target.twin, target.frozen_mode):
        for module in _modules(thing, _DEPTH):
            for name, layer in module.named_modules():
                if id(layer) not in seen:
                    seen.add(id(layer))
                    yield name or type(layer).__name__, layer


def _modules(thing: object, depth: int) -> Iterator[nn.Module]:
    """Modules that a callable holds: itself, its object, its bound arguments, what it closes over."""
    if isinstance(thing, nn.Module):
        yield thing
        return
    if depth == 0:
        return
    parts: list[object] = [getattr(thing, "__self__", None)]
    if isinstance(thing, partial):
        parts += [thing.func, *thing.args, *thing.keywords.values()]
    parts += [cell.cell_contents for cell in getattr(thing, "__closure__", None) or ()]
    if callable(thing):
        parts += list(getattr(thing, "__dict__", {}).values())
    for part in parts:
        if callable(part):
            yield from _modules(part, depth - 1)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more} {'is' if len(names) == 1 else 'are'}"
