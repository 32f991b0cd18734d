"""Attacks that stand in for those of an isolated plugin."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

from auditor.attack import Attack, Passes
from auditor.engine.view import OutOfTime, View
from auditor.errors import PluginError
from auditor.isolation.described import written_threat
from auditor.isolation.process import Lost, Process
from auditor.isolation.serving import Serving
from auditor.parameters import parameter, parameters_of
from auditor.rng import Rng
from auditor.types import Access, Norm
from auditor.universal import UniversalAttack

if TYPE_CHECKING:
    from auditor.types import Images, Labels, Threat

_TYPES: dict[str, type] = {"int": int, "float": float, "str": str, "bool": bool}


@dataclass(frozen=True, kw_only=True)
class Isolated(Attack):
    """An attack whose code runs in another process. What it asks is asked of its view here, and counted."""

    process: ClassVar[Process]

    @property
    def label(self) -> str:
        return self._about("label")  # type: ignore[no-any-return]

    def passes(self, num_classes: int) -> Passes | None:
        told = self._about("passes", num_classes)
        return None if told is None else Passes(*told)

    def unfit(self, num_classes: int) -> str | None:
        return self._about("unfit", num_classes)  # type: ignore[no-any-return]

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        return self._done("perturb", target, x, y, threat, rng)

    def _about(self, what: str, *arguments: Any) -> Any:
        return self.process.call("about", {**self._named, "what": what, "arguments": list(arguments)})["value"]

    @property
    def _named(self) -> dict[str, Any]:
        return {
            "attack": self.name,
            "parameters": {item.name: getattr(self, item.name) for item in parameters_of(type(self))},
        }

    def _done(
        self, kind: str, view: View, x: Images, y: Labels, threat: Threat, rng: Rng, pattern: Tensor | None = None
    ) -> Tensor:
        keys, drawn = rng.state
        task = {"classes": view.num_classes, "x": x, "y": y, "keys": keys, "drawn": drawn, "pattern": pattern}
        told = {**self._named, **task, "threat": written_threat(threat)}
        try:
            value = self.process.call(kind, told, Serving(view).answer, view.ledger.deadline)["value"]
        except Lost as lost:
            if lost.late:
                raise OutOfTime from lost
            raise
        if not isinstance(value, Tensor):
            raise PluginError(f"returned {type(value).__name__} instead of a tensor")
        return value.to(x.device)


@dataclass(frozen=True, kw_only=True)
class IsolatedLanes(Isolated):
    """One that runs as lanes: they are stepped where its code is."""

    def last_points(self, view: View, threat: Threat, rng: Rng) -> Tensor:
        """Where its lanes end, for examples that are meant for other models."""
        return self._done("last_points", view, view.x, view.y, threat, rng)


@dataclass(frozen=True, kw_only=True)
class IsolatedUniversal(UniversalAttack, Isolated):
    """One that learns a pattern first."""

    def learn(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Tensor:
        return self._done("learn", target, x, y, threat, rng)

    def apply(self, pattern: Tensor, x: Tensor, threat: Threat, rng: Rng) -> Tensor:
        raise PluginError("an isolated pattern is applied by `perturb`")

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        return self._done("perturb", target, x, y, threat, rng, self.pattern)


def declared(parameters: list[dict[str, Any]]) -> list[tuple[str, type, Any]]:
    """Hyper-parameters as fields of a dataclass."""
    return [
        (
            item["name"],
            _TYPES[item["type"]],
            parameter(
                item["default"],
                help=item["help"],
                low=item["low"],
                high=item["high"],
                choices=tuple(item["choices"]),
            ),
        )
        for item in parameters
    ]


def attack_class(process: Process, said: dict[str, Any]) -> type[Attack]:
    """The class that stands in for what was described."""
    base = IsolatedLanes if said["lanes"] else IsolatedUniversal if said["universal"] else Isolated
    words = {key: said[key] for key in ("name", "paper", "stage", "minimal", "images_only")}
    body = {
        **words,
        "process": process,
        "norms": frozenset(map(Norm, said["norms"])),
        "access": Access(said["access"]),
        "__doc__": said["doc"],
        "__module__": said["module"],
    }
    name = re.sub(r"\W", "_", said["name"])
    made: type[Attack] = dataclasses.make_dataclass(
        f"Isolated_{name}", declared(said["parameters"]), bases=(base,), namespace=body, frozen=True, kw_only=True
    )
    return made
