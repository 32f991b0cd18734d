"""What lives in a plugin's process and is asked from ours: models, samples and wrappers.

Each question says by what it was made, so that a process which was lost and started again answers as the first did.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from auditor.defense import Wrapper
from auditor.errors import AuditorError, PluginError
from auditor.isolation.remote import Line
from auditor.isolation.serving import Graphs
from auditor.result.record import Finding
from auditor.rng import Rng, seed_torch
from auditor.samples.base import SampleOptions, Samples
from auditor.target.base import ModelOptions, Target

if TYPE_CHECKING:
    from auditor.plugins import Plugins

T = TypeVar("T")

_PLAIN = ("name", "source", "sha256", "format", "gradients", "ending", "stripped", "batching")
_DEVICE = torch.device("cpu")


class Housed(ABC):
    """Answers about them; what is asked once is kept."""

    def __init__(self, line: Line) -> None:
        self._line, self._graphs, self._held, self._rest = line, Graphs(), dict[str, Any](), ExitStack()

    @property
    @abstractmethod
    def plugins(self) -> Plugins:
        """Those of this process."""

    def do_load(self, path: str, options: dict[str, Any]) -> dict[str, Any]:
        """What a loader makes of a path, in plain fields; `none` where it is not its business."""
        try:
            target = self._target(path, options)
        except AuditorError as error:
            return _sentence(error)
        if target is None:
            return {"none": True}
        details = {name: value for name, value in target.details.items() if _plain(value)}
        told = {name: getattr(target, name) for name in _PLAIN} | {"classes": target.classes, "details": details}
        findings = [Finding.of(finding).model_dump(mode="json") for finding in target.findings]
        shape, dtype = target.input_shape, str(target.input_dtype).removeprefix("torch.")
        return {**told, "twin": target.twin is not None, "shape": shape, "dtype": dtype, "findings": findings}

    def do_model(self, path: str, options: dict[str, Any], x: Tensor, form: str, graph: bool) -> dict[str, Any]:
        """The raw outputs of the deployed form or the twin."""
        target = self._target(path, options)
        network = None if target is None else target.twin if form == "twin" else target.deployed
        if network is None:
            raise PluginError(f"it no longer loads {path}")
        return self._graphs.answered(network, x, graph=graph)

    def do_backward(self, number: int, slopes: Tensor) -> dict[str, Any]:
        """The gradient of an answer by what it was asked about."""
        return self._graphs.followed(number, slopes)

    def do_read(self, source: str, options: dict[str, Any]) -> dict[str, Any]:
        """What a loader makes of a source of samples, in plain fields; `none` where it is not its business."""
        try:
            samples = self._samples(source, options)
        except AuditorError as error:
            return _sentence(error)
        if samples is None:
            return {"none": True}
        return {
            "shape": list(samples.shape),
            "classes": samples.classes,
            "skipped": [(skipped.name, skipped.reason) for skipped in samples.skipped],
            "eight_bit": samples.eight_bit,
            "labels": samples.labels,
            "sha256": samples.sha256,
            "source": samples.source,
        }

    def do_samples(self, source: str, options: dict[str, Any], indices: list[int], names: bool) -> dict[str, Any]:
        """Some of the samples, or what a person calls them."""
        try:
            samples = self._samples(source, options)
            if samples is None:
                raise PluginError(f"it no longer reads {source}")
            return {"value": samples.names(indices) if names else samples.fetch(indices)}
        except AuditorError as error:
            return _sentence(error)

    def do_wrapper(self, wrapper: str, parameters: dict[str, Any], what: str, arguments: list[Any]) -> dict[str, Any]:
        """What a wrapper says of itself."""
        value = getattr(self._wrapper(wrapper, parameters), what)
        return {"value": value(*map(_tuple, arguments)) if callable(value) else value}

    def do_wrap(
        self, wrapper: str, parameters: dict[str, Any], x: Tensor, way: str, seed: int | None, graph: bool
    ) -> dict[str, Any]:
        """What it makes of samples, by `apply` or by its stand-in."""
        if seed is not None:
            seed_torch(seed)
        return self._graphs.answered(getattr(self._wrapper(wrapper, parameters), way), x, graph=graph)

    def do_certify(
        self, wrapper: str, parameters: dict[str, Any], x: Tensor, keys: Tensor, drawn: list[int]
    ) -> dict[str, Any]:
        """What it proves of samples; the model behind it is asked for."""

        def answer(points: Tensor) -> Tensor:
            said: Tensor = self._line.ask("logits", x=points)["value"]
            return said

        proof = self._wrapper(wrapper, parameters).certify(answer, x, Rng(keys, drawn))
        return {"prediction": proof.prediction, "radius": proof.radius}

    def _target(self, path: str, options: dict[str, Any]) -> Target | None:
        def load() -> Target | None:
            said = ModelOptions(**_read(options))
            made: Target | None = self._first("auditor_load_model", path=path, options=said, device=_DEVICE)
            if isinstance(made, Target):
                self._rest.enter_context(made.frozen())
            return made

        return self._once(f"model {path} {json.dumps(options)}", load)

    def _samples(self, source: str, options: dict[str, Any]) -> Samples | None:
        def read() -> Samples | None:
            made: Samples | None = self._first(
                "auditor_load_samples", source=source, options=SampleOptions(**_read(options))
            )
            return made

        return self._once(f"samples {source} {json.dumps(options)}", read)

    def _wrapper(self, name: str, parameters: dict[str, Any]) -> Wrapper:
        kind = self.plugins.defenses().get(name)
        if kind is None or not issubclass(kind, Wrapper):
            raise PluginError(f"the plugin offers no wrapper {name!r}")
        return self._once(f"wrapper {name} {json.dumps(parameters)}", lambda: kind(**parameters))

    def _first(self, hook: str, **arguments: Any) -> Any:
        return next((said for said in self.plugins.asked(hook, **arguments) if said is not None), None)

    def _once(self, key: str, make: Callable[[], T]) -> T:
        if key not in self._held:
            self._held[key] = make()
        kept: T = self._held[key]
        return kept


def _read(options: dict[str, Any]) -> dict[str, Any]:
    """Options as they were before JSON made lists of tuples."""
    return {name: _tuple(value) for name, value in options.items()}


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _sentence(error: AuditorError) -> dict[str, Any]:
    return {"error": str(error), "kind": type(error).__name__}


def _plain(value: object) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True
