"""Models and samples that live in a plugin's process: asked from afar, on the CPU, with gradients."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from auditor import errors
from auditor.check import Finding, Severity
from auditor.errors import AuditorError, DataError, ModelError, PluginError
from auditor.isolation.process import Process
from auditor.isolation.remote import followed
from auditor.samples.base import SampleOptions, Samples, Skipped
from auditor.target.base import ModelOptions, Target

if TYPE_CHECKING:
    from auditor.types import Images, Labels

_HERE = ("name", "source", "sha256", "format", "gradients", "ending", "stripped", "batching", "details")


class Outward:
    """Asks a process about what lives in it, as the process asks us."""

    def __init__(self, process: Process, blame: type[AuditorError]) -> None:
        self._process, self._blame = process, blame

    def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Raises `blame` where the process breaks, and what it says of what it was asked about."""
        try:
            told = self._process.call(kind, fields)
        except PluginError as error:
            raise self._blame(f"It is loaded by a plugin in a process of its own, and {error}.") from error
        return _or_raised(told)

    def network(self, kind: str, **fields: Any) -> Callable[[Tensor], Tensor]:
        """A function of a tensor that is computed there; gradients flow through."""

        def asked(x: Tensor, *, graph: bool) -> dict[str, Any]:
            return self.ask(kind, **fields, x=x, graph=graph)

        return lambda x: followed(self, x, asked)


class Loaders:
    """The hooks of a plugin that loads models or samples: each lives in a process that is started for it."""

    def __init__(self, start: Callable[[], Process]) -> None:
        self._start, self._spare = start, start()

    def load_model(self, path: str, options: ModelOptions) -> Target | None:
        """The target, on the CPU; None where the path is not the plugin's business."""
        said = {"path": path, "options": dataclasses.asdict(options)}
        told = self._taken("load", said)
        if told is None:
            return None
        process, found = told
        network = partial(Outward(process, ModelError).network, "model", **said)
        return Target(
            **{name: found[name] for name in _HERE},
            deployed=network(form="deployed"),
            twin=network(form="twin") if found["twin"] else None,
            input_shape=None if found["shape"] is None else tuple(found["shape"]),
            input_dtype=getattr(torch, found["dtype"]),
            classes=None if found["classes"] is None else tuple(found["classes"]),
            findings=[Finding(**{**item, "severity": Severity(item["severity"])}) for item in found["findings"]],
            options=options,
            device=torch.device("cpu"),
        )

    def load_samples(self, source: str, options: SampleOptions) -> Samples | None:
        """The samples; None where the source is not the plugin's business."""
        said = {"source": source, "options": dataclasses.asdict(options)}
        told = self._taken("read", said)
        return None if told is None else _Read(Outward(told[0], DataError), said, told[1])

    def _taken(self, kind: str, said: dict[str, Any]) -> tuple[Process, dict[str, Any]] | None:
        """The process in which it lives from now on, and what is said of it."""
        process = self._spare
        found = _or_raised(process.call(kind, said))
        if "none" in found:
            return None
        self._spare = self._start()
        return process, found


class _Read(Samples):
    """Samples that a plugin reads in its process."""

    def __init__(self, outward: Outward, said: dict[str, Any], found: dict[str, Any]) -> None:
        self._outward, self._said = outward, said
        self.source, self.shape, self.eight_bit = found["source"], tuple(found["shape"]), found["eight_bit"]
        self.classes = None if found["classes"] is None else tuple(found["classes"])
        self.skipped = tuple(Skipped(name, reason) for name, reason in found["skipped"])
        self._labels, self._sha256 = found["labels"], found["sha256"]

    def __len__(self) -> int:
        return len(self._labels)

    @property
    def labels(self) -> Labels:
        made: Labels = self._labels
        return made

    def fetch(self, indices: Sequence[int]) -> Images:
        read: Tensor = self._asked(indices, names=False)
        return read

    @property
    def sha256(self) -> str:
        return str(self._sha256)

    def names(self, indices: Sequence[int]) -> list[str]:
        return list(self._asked(indices, names=True))

    def _asked(self, indices: Sequence[int], *, names: bool) -> Any:
        return self._outward.ask("samples", **self._said, indices=[int(i) for i in indices], names=names)["value"]


def _or_raised(told: dict[str, Any]) -> dict[str, Any]:
    """What was answered; a sentence for the user is raised here as it was there."""
    if "error" not in told:
        return told
    kind = getattr(errors, str(told["kind"]), PluginError)
    raise (kind if isinstance(kind, type) and issubclass(kind, AuditorError) else PluginError)(told["error"])
