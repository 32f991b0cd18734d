"""A module that answers for an isolated plugin: its code never runs in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from auditor.check import Check, Finding, Severity, Stage
from auditor.errors import PluginError, UsageError
from auditor.formats.base import Format
from auditor.hookspecs import hookimpl
from auditor.isolation.attacks import attack_class
from auditor.isolation.described import LOADS
from auditor.isolation.loaders import Loaders
from auditor.isolation.process import Process
from auditor.isolation.scene import written_scene
from auditor.isolation.serving import ServingScene
from auditor.isolation.wrappers import wrapper_class
from auditor.result.record import ISOLATED
from auditor.types import Norm

if TYPE_CHECKING:
    from auditor.attack import Attack
    from auditor.engine.scene import Scene
    from auditor.result.run import Run
    from auditor.samples.base import SampleOptions, Samples
    from auditor.target.base import ModelOptions, Target


_LEFT = "it is not asked in a process of its own; leave --isolate out for it, or the plugin with --without"
_TRAINS = "{} trains a model, which scan never does; `auditor harden --isolate` trains in a process of its own"


def stand_in(start: Callable[[], Process]) -> tuple[object, list[tuple[str, str]]]:
    """What to register in the plugin's place; and what cannot be had of it, as stage and sentence.

    Args:
        start: makes a process of the plugin; what is asked while another question is open has one of its own.

    Raises:
        PluginError: it cannot even be imported.
    """
    process = start()
    told = process.call("describe", {})
    left = [(hook, _LEFT) for hook in told["left"]]
    left += [("auditor_defenses", _TRAINS.format(name)) for name in told["recipes"]]
    return _module(start, process, told), [*(tuple(failure) for failure in told["failures"]), *left]


def _module(start: Callable[[], Process], process: Process, told: dict[str, Any]) -> object:
    hooks: dict[str, Any] = {}
    if told["wrappers"]:
        # Asked in the middle of an attack, which may be the same plugin's.
        beside = start()
        wrappers = [wrapper_class(beside, said) for said in told["wrappers"]]
        hooks["auditor_defenses"] = lambda self: wrappers
    if told["loads"]:
        hooks |= _loading(Loaders(start), told["loads"])
    if told["attacks"]:
        attacks = [attack_class(process, said) for said in told["attacks"]]
        hooks["auditor_attacks"] = lambda self: attacks
    if told["checks"]:
        checks = [_check(process, said) for said in told["checks"]]
        hooks["auditor_checks"] = lambda self: checks
    if told["formats"]:
        formats = [_format(process, said) for said in told["formats"]]
        hooks["auditor_formats"] = lambda self: formats
    if told["finds"]:

        def find(self: object, name: str) -> type[Attack] | None:
            found = process.call("find", {"name": name})
            if "usage" in found:
                raise UsageError(found["usage"])
            return None if found["attack"] is None else attack_class(process, found["attack"])

        hooks["auditor_find_attack"] = find
    for name, function in hooks.items():
        function.__name__ = name
    return type("StandIn", (), {name: hookimpl(function) for name, function in hooks.items()})()


def _loading(loaders: Loaders, hooks: Sequence[str]) -> dict[str, Any]:
    """The hooks that load, of those that the plugin has."""

    def model(self: object, path: str, options: ModelOptions) -> Target | None:
        return loaders.load_model(path, options)

    def samples(self: object, source: str, options: SampleOptions) -> Samples | None:
        return loaders.load_samples(source, options)

    return {name: function for name, function in zip(LOADS, (model, samples), strict=True) if name in hooks}


class _Check(Check):
    """A check whose code runs elsewhere."""

    process: ClassVar[Process]

    def inspect(self, scene: Scene) -> Iterator[Finding]:
        if scene.inquiry is not None:
            raise UsageError(ISOLATED)
        told = {"check": self.code, **written_scene(scene)}
        for found in self.process.call("inspect", told, ServingScene(scene).answer)["findings"]:
            yield Finding(**{**found, "severity": Severity(found["severity"])})


def _check(process: Process, said: dict[str, Any]) -> type[Check]:
    body = {
        "process": process,
        "code": said["code"],
        "title": said["title"],
        "stage": Stage(said["stage"]),
        "norms": frozenset(map(Norm, said["norms"])),
        "once": said["once"],
        "settles": frozenset(said["settles"]),
        "__doc__": said["doc"],
        "__module__": said["module"],
    }
    return type(said["code"], (_Check,), body)


class _Format(Format):
    """A format whose code runs elsewhere."""

    process: ClassVar[Process]

    def render(self, run: Run, templates: tuple[str, ...] = ()) -> str:
        told = {"format": self.name, "folder": str(run.path.absolute()), "result": run.result.to_json()}
        text = self.process.call("render", {**told, "templates": list(templates)})["text"]
        if not isinstance(text, str):
            raise PluginError(f"it gave {type(text).__name__} in place of a text")
        return text


def _format(process: Process, said: dict[str, Any]) -> Format:
    body = {"process": process, **{key: said[key] for key in ("name", "filename", "help")}, "__doc__": said["doc"]}
    made: Format = type("IsolatedFormat", (_Format,), body)()
    return made
