"""Wrappers that stand in for those of an isolated plugin."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from auditor.defense import Certified, Wrapper
from auditor.errors import PluginError
from auditor.isolation.attacks import declared
from auditor.isolation.described import WORDS
from auditor.isolation.process import Exchange, Fields, Process
from auditor.isolation.remote import followed
from auditor.parameters import parameters_of
from auditor.rng import Rng


@dataclass(frozen=True, kw_only=True)
class IsolatedWrapper(Wrapper):
    """A wrapper whose code runs in another process."""

    process: ClassVar[Process]

    @property
    def level(self) -> float:
        return float(self._about("level"))

    def unfit(self, shape: tuple[int, ...]) -> str | None:
        return self._about("unfit", list(shape))  # type: ignore[no-any-return]

    def apply(self, x: Tensor) -> Tensor:
        return self._made("apply", x)

    def stand_in(self, x: Tensor) -> Tensor:
        return self._made("stand_in", x)

    def certify(self, answer: Callable[[Tensor], Tensor], x: Tensor, rng: Rng) -> Certified:
        def logits(kind: str, told: Fields, exchange: Exchange) -> Fields:
            if kind != "logits":
                raise PluginError(f"it asked for {kind!r}, which there is not")
            return {"value": answer(told["x"].to(x.device))}

        keys, drawn = rng.state
        found = self.process.call("certify", {**self._named, "x": x, "keys": keys, "drawn": drawn}, logits)
        return Certified(prediction=found["prediction"], radius=found["radius"])

    def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        """As `Line.ask`, the other way round."""
        return self.process.call(kind, fields)

    def _made(self, way: str, x: Tensor) -> Tensor:
        # Dealt here, so that it repeats itself where draws do.
        seed = int(torch.randint(2**62, (), device=x.device)) if self.random else None

        def asked(points: Tensor, *, graph: bool) -> dict[str, Any]:
            return self.ask("wrap", **self._named, x=points, way=way, seed=seed, graph=graph)

        return followed(self, x, asked)

    def _about(self, what: str, *arguments: Any) -> Any:
        return self.process.call("wrapper", {**self._named, "what": what, "arguments": list(arguments)})["value"]

    @property
    def _named(self) -> dict[str, Any]:
        said = {item.name: getattr(self, item.name) for item in parameters_of(type(self))}
        return {"wrapper": self.name, "parameters": said}


def wrapper_class(process: Process, said: dict[str, Any]) -> type[Wrapper]:
    """The class that stands in for what was described."""
    body = {key: said[key] for key in WORDS} | {
        "process": process,
        "__doc__": said["doc"],
        "__module__": said["module"],
    }
    name = f"Isolated_{re.sub(r'[^A-Za-z0-9_]', '_', said['name'])}"
    made: type[Wrapper] = dataclasses.make_dataclass(
        name, declared(said["parameters"]), bases=(IsolatedWrapper,), namespace=body, frozen=True, kw_only=True
    )
    return made
