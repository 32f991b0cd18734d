"""The process that a plugin is alone in: does what it is told, and asks the engine about models and samples."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditor.border import foreign, said
from auditor.errors import PluginError, UsageError
from auditor.isolation.channel import Channel
from auditor.isolation.housed import Housed
from auditor.isolation.remote import Line, RemoteView, Stop

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.attack import Attack
    from auditor.plugins import Plugins
    from auditor.testing.kit import Question

_DEATH_OF_PARENT = 1  # PR_SET_PDEATHSIG of <sys/prctl.h>


def main(key: str, without: tuple[str, ...]) -> None:
    """Serve until the engine is gone."""
    read, write = os.fdopen(os.dup(0), "rb", 0), os.fdopen(os.dup(1), "wb", 0)
    # What a plugin reads or prints must not meet what is said here.
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_DEATH_OF_PARENT, signal.SIGKILL)
    channel = Channel(read, write)
    channel.send("ready", {})
    work = _Work(channel, key, without)
    while True:
        try:
            kind, fields = channel.receive()
        except (EOFError, OSError):
            os._exit(0)
        try:
            with foreign():
                answer = getattr(work, f"do_{kind}")(**fields)
            channel.send("done", answer)
        except Stop:
            channel.send("stopped", {})
        except OSError:
            os._exit(0)
        except Exception as error:
            channel.send("broke", {"said": said(error)})


class _Work(Housed):
    """What can be asked of a plugin."""

    def __init__(self, channel: Channel, key: str, without: tuple[str, ...]) -> None:
        super().__init__(Line(channel))
        self._key, self._without = key, without
        self._asked: tuple[Question, ...] | None = None

    @cached_property
    def plugins(self) -> Plugins:
        from auditor.plugins import load_plugins

        return load_plugins(self._without, alone=self._key)

    def do_describe(self) -> dict[str, Any]:
        from auditor.isolation.described import described

        return described(self.plugins)

    def do_find(self, name: str) -> dict[str, Any]:
        from auditor.isolation.described import describe_attack

        try:
            found = self.plugins.find_attack(name)
        except UsageError as error:
            return {"usage": str(error)}
        return {"attack": None if found is None else describe_attack(found)}

    def do_about(self, attack: str, parameters: dict[str, Any], what: str, arguments: list[Any]) -> dict[str, Any]:
        """What an attack says of itself."""
        value = getattr(self._made(attack, parameters), what)
        value = value(*arguments) if callable(value) else value
        return {"value": [value.forwards, value.backwards] if hasattr(value, "forwards") else value}

    def do_perturb(self, **told: Any) -> dict[str, Any]:
        attack, view, x, y, threat, rng = self._task(**told)
        return _tensor(attack.perturb(view, x, y, threat, rng))

    def do_learn(self, **told: Any) -> dict[str, Any]:
        attack, view, x, y, threat, rng = self._task(**told)
        return _tensor(attack.learn(view, x, y, threat, rng))

    def do_last_points(self, **told: Any) -> dict[str, Any]:
        from auditor.engine.transfer.craft import last_points

        attack, view, _, _, threat, rng = self._task(**told)
        return _tensor(last_points(attack, view, threat, rng))

    def do_render(self, format: str, folder: str, result: str, templates: list[str]) -> dict[str, Any]:
        from auditor.result.record import Result
        from auditor.result.run import Run

        run = Run(Path(folder), Result.model_validate_json(result))
        return {"text": self.plugins.formats()[format].render(run, tuple(templates))}

    def do_inspect(self, check: str, **told: Any) -> dict[str, Any]:
        from auditor.check import own_findings
        from auditor.isolation.scene import remote_scene
        from auditor.result.record import Finding

        kind = self.plugins.checks()[check]
        found = own_findings(kind, kind().inspect(remote_scene(self._line, **told)))
        return {"findings": [Finding.of(finding).model_dump(mode="json") for finding in found]}

    def do_questions(self, **exam: Any) -> dict[str, Any]:
        try:
            asked = self._questions(exam)
        except UsageError as error:
            return {"usage": str(error)}
        loads = bool(self.plugins.loaders(exam["name"]))
        return {"questions": [str(question) for question in asked], "loads": loads}

    def do_question(self, number: int, **exam: Any) -> dict[str, Any]:
        from auditor.testing.asking import answer

        return {"said": answer(self._questions(exam)[number])}

    def _questions(self, exam: dict[str, Any]) -> tuple[Question, ...]:
        from auditor.testing.asking import Exam

        if self._asked is None:
            self._asked = Exam(**exam).questions(self.plugins)
        return self._asked

    def _made(self, name: str, parameters: dict[str, Any]) -> Attack:
        found = self.plugins.attacks().get(name) or self.plugins.find_attack(name)
        if found is None:
            raise PluginError(f"the plugin offers no attack {name!r}")
        return found(**parameters)

    def _task(
        self,
        attack: str,
        parameters: dict[str, Any],
        classes: int,
        x: Tensor,
        y: Tensor,
        threat: dict[str, Any],
        keys: Tensor,
        drawn: list[int],
        pattern: Tensor | None = None,
    ) -> tuple[Any, Any, Tensor, Tensor, Any, Any]:
        import torch

        from auditor.isolation.described import threat_of
        from auditor.rng import Rng

        made = self._made(attack, parameters | ({} if pattern is None else {"pattern": pattern}))
        view = RemoteView(self._line, classes, torch.arange(len(x)))
        return made, view, x, y, threat_of(threat), Rng(keys, drawn)


def _tensor(value: object) -> dict[str, Any]:
    import torch

    if not isinstance(value, torch.Tensor):
        raise PluginError(f"returned {type(value).__name__} instead of a tensor")
    return {"value": value}
