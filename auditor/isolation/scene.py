"""A scene as a check sees it from a process of its own: the same model and samples, asked from afar."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from auditor.engine.scene import Scene
from auditor.isolation.remote import Line, followed
from auditor.result.record import ModelResult
from auditor.samples.base import Samples
from auditor.settings import Settings
from auditor.target.base import ModelOptions, Target

if TYPE_CHECKING:
    from auditor.types import Images, Labels

_TARGET = ("name", "source", "sha256", "format", "gradients", "batching", "draws", "num_classes")
_SAMPLES = ("source", "sha256", "eight_bit")


def written_scene(scene: Scene) -> dict[str, Any]:
    """A scene as plain fields and tensors; what its model and samples do is left where they are."""
    target, samples = scene.target, scene.samples
    return {
        "target": {name: getattr(target, name) for name in _TARGET}
        | {"shape": target.input_shape, "classes": target.classes, "twin": target.twin is not None},
        "samples": {name: getattr(samples, name) for name in _SAMPLES}
        | {"shape": samples.shape, "classes": samples.classes},
        "labels": samples.labels,
        "x": scene.x,
        "y": scene.y,
        "settings": scene.settings.model_dump_json(),
        "result": None if scene.result is None else scene.result.model_dump_json(by_alias=True),
    }


def remote_scene(
    line: Line,
    target: dict[str, Any],
    samples: dict[str, Any],
    labels: Tensor,
    x: Tensor,
    y: Tensor,
    settings: str,
    result: str | None,
) -> Scene:
    """The scene that was written."""
    return Scene(
        target=_target(line, **target),
        samples=_Remote(line, labels, **samples),
        x=x,
        y=y,
        settings=Settings.model_validate_json(settings),
        result=None if result is None else ModelResult.model_validate_json(result),
    )


def _target(line: Line, shape: list[int | None] | None, classes: list[str] | None, twin: bool, **plain: Any) -> Target:
    """Its answers are logits already: how the model's inputs and outputs are read was settled where it is."""

    def deployed(x: Tensor) -> Tensor:
        answer: Tensor = line.ask("model", x=x)["value"]
        return answer

    def differentiable(x: Tensor) -> Tensor:
        return followed(line, x, partial(_twin, line))

    return Target(
        deployed=deployed,
        twin=differentiable if twin else None,
        input_shape=None if shape is None else tuple(shape),
        classes=None if classes is None else tuple(classes),
        options=ModelOptions(),
        device=torch.device("cpu"),
        **plain,
    )


def _twin(line: Line, x: Tensor, *, graph: bool) -> dict[str, Any]:
    return line.ask("twin", x=x, graph=graph)


class _Remote(Samples):
    """Samples that are read where the audit is."""

    def __init__(self, line: Line, labels: Tensor, shape: list[int], classes: list[str] | None, **plain: Any) -> None:
        self._line, self._labels, self.shape = line, labels, tuple(shape)
        self.classes = None if classes is None else tuple(classes)
        self.source, self.eight_bit, self._sha256 = plain["source"], plain["eight_bit"], plain["sha256"]

    def __len__(self) -> int:
        return len(self._labels)

    @property
    def labels(self) -> Labels:
        return self._labels

    def fetch(self, indices: Sequence[int]) -> Images:
        read: Tensor = self._line.ask("fetch", indices=[int(index) for index in indices])["value"]
        return read

    @property
    def sha256(self) -> str:
        return str(self._sha256)

    def names(self, indices: Sequence[int]) -> list[str]:
        return list(self._line.ask("names", indices=[int(index) for index in indices])["value"])
