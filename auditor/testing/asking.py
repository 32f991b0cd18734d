"""What the kit asks of an installed plugin: here, or in a process of its own that may die of a question."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from auditor.border import foreign, said
from auditor.entry_points import Isolation, Plugin, entry_points, provenance
from auditor.errors import PluginError, UsageError
from auditor.testing.kit import Question, questions

if TYPE_CHECKING:
    from auditor.plugins import Plugins

_PATIENCE = 120.0
"""Seconds for one question, where it is asked in another process."""


class Answers(NamedTuple):
    """Whether it loads models; each question, with what was seen in place of what it asks, if that is not so."""

    loads: bool
    each: Iterator[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Exam:
    """Who is asked: a plugin by its name or distribution, or what it offers, as `NAME[:key=value,...]`.

    Attributes:
        model: a small model file that a loader loads.  data: samples for it, where it does not state their shape.
    """

    name: str
    model: str | None = None
    data: str | None = None

    def questions(self, found: Plugins) -> tuple[Question, ...]:
        """All of them. Raises UsageError where there is nobody to ask."""
        self._whole(found)
        things = [*self._things(found), *self._loaders(found)]
        self._whole(found)  # What it offers is known now.
        asked = tuple(question for thing in things for question in questions(thing))
        if not asked:
            raise UsageError(f"The plugin {self.name} offers nothing that the kit has questions for.")
        return asked

    def here(self, found: Plugins) -> Answers:
        """Ask in this process. Raises UsageError where there is nobody to ask."""
        asked = self.questions(found)
        return Answers(bool(found.loaders(self.name)), ((str(question), answer(question)) for question in asked))

    def apart(self, without: tuple[str, ...] = ()) -> Answers:
        """The same, where no answer ends the questions. Nothing of the plugin runs in this process.

        Raises:
            UsageError: there is nobody to ask, or the plugin dies before the first question.
        """
        from auditor.isolation.process import Process

        process = Process(self._plugin(), Isolation(seconds=_PATIENCE), without)
        try:
            told = process.call("questions", asdict(self))
        except PluginError as error:
            raise UsageError(f"{self.name} cannot be asked anything: {error}.") from error
        if "usage" in told:
            raise UsageError(told["usage"])

        def seen(number: int) -> str:
            try:
                return str(process.call("question", {**asdict(self), "number": number})["said"])
            except PluginError as error:
                return str(error)

        return Answers(told["loads"], ((text, seen(number)) for number, text in enumerate(told["questions"])))

    def _whole(self, found: Plugins) -> None:
        for failure in found.failures:
            if failure.plugin.answers_to(self.name):
                raise UsageError(f"{failure.plugin} is broken, at {failure.stage}: {failure.error}.")

    def _plugin(self) -> str:
        """The key of the plugin that is meant; empty where something that one of them offers is."""
        meant: list[Plugin] = [plugin for plugin in map(provenance, entry_points()) if plugin.answers_to(self.name)]
        return meant[0].key if len(meant) == 1 else ""

    def _things(self, found: Plugins) -> Iterator[Any]:
        """All that a plugin offers, or the one thing of that name. Raises UsageError."""
        from auditor.configuration import parse_attack
        from auditor.parameters import coerced

        if any(plugin.answers_to(self.name) for plugin in found.loaded):
            yield from found.offered(self.name)
            return
        told = parse_attack(self.name, "the argument")
        known: dict[str, Any] = {**found.formats(), **found.defenses(), **found.attacks(), **found.checks()}
        if told.name not in known:
            raise UsageError(f"Nothing installed is called {told.name!r}; `auditor plugins --all` lists what is.")
        thing = known[told.name]
        yield thing(**coerced(thing, told.parameters)) if told.parameters else thing

    def _loaders(self, found: Plugins) -> list[Any]:
        """What the kit is to ask about loaders. Raises UsageError where a model is given and nobody loads it."""
        from auditor.samples.base import SampleOptions
        from auditor.testing.loaders import Loading

        loads, file = found.loaders(self.name), None if self.model is None else Path(self.model)
        if file is not None and not loads:
            raise UsageError(f"--model goes with a plugin that loads models, and {self.name} does not.")
        if file is not None and not file.is_file():
            raise UsageError(f"{file} is no file; name a model file that {self.name} loads.")
        x = None
        if self.data is not None:
            samples = found.load_samples(self.data, SampleOptions())
            x = samples.fetch(range(min(8, len(samples))))
        return [Loading(load=load, file=file, x=x) for load in loads]


def answer(question: Question) -> str:
    """What was seen in place of what the question asks; empty where it is as it should be."""
    try:
        with foreign():
            question.ask()
    except AssertionError as error:
        return str(error) or "an assertion of its own failed"
    except Exception as error:  # a plugin border
        return said(error)
    return ""
