"""Questions for checks: what an audit that asks them relies on, and a reader of findings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from auditor.check import Check, Stage, own_findings
from auditor.engine.scene import Scene
from auditor.errors import UsageError
from auditor.result.record import Finding
from auditor.testing.kit import Question, demand, demand_documented, demand_untouched, global_state

_CODE = re.compile(r"[A-Z]{2,8}\d{3}")


def check_questions(check: Check) -> Iterator[Question]:
    """About its name and page; and about what it does with little models, good and bad."""
    ask = partial(Question, getattr(check, "code", type(check).__name__))
    yield ask("it has a code of its own, a title and a stage", partial(_named, check))
    yield ask(
        "`auditor explain` says what was seen, what it means and what to do",
        partial(demand_documented, check, "Seen:", "Means:", "Measured:", "Threshold:", "Do:"),
    )
    yield ask("whatever it looks at, it comes to an end with findings of its own", partial(_ends, check))
    yield ask("who looks twice finds the same", partial(_same_again, check))
    yield ask("model, samples, records, random state and threads stay as they were", partial(_only_looks, check))


def _named(check: Check) -> None:
    code = str(getattr(check, "code", ""))
    demand(_CODE.fullmatch(code), f"{code!r} is no code: letters and three digits, such as ACME001")
    ours = type(check).__module__.startswith("auditor_checks.")
    demand(ours or not code.startswith("AUD"), f"{code}: codes that begin with AUD are auditor's own")
    demand(str(getattr(check, "title", "")).strip(), "it has no title")
    demand(isinstance(getattr(check, "stage", None), Stage), "its stage is no auditor.Stage")


def _ends(check: Check) -> None:
    for what, scene in _scenes(check):
        try:
            _found(check, scene)
        except Exception as error:
            raise AssertionError(f"before {what}: {type(error).__name__}: {error}") from error


def _same_again(check: Check) -> None:
    first = [(what, _found(check, scene)) for what, scene in _scenes(check)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        for (what, before), (_, scene) in zip(first, _scenes(check), strict=True):
            demand(_found(check, scene) == before, f"before {what} it found one thing, and then another")


def _only_looks(check: Check) -> None:
    for what, scene in _scenes(check):
        state, seen = global_state(), _state(scene)
        _found(check, scene)
        changed = [name for name, value in _state(scene).items() if value != seen[name]]
        demand(not changed, f"before {what} it changed {', '.join(changed)}")
        demand_untouched(state)


def _scenes(check: Check) -> Iterator[tuple[str, Scene]]:
    from auditor.testing.scenes import opened, scenes

    for what, make in scenes(check).items():
        with opened(make) as scene:
            yield what, scene


def _found(check: Check, scene: Scene) -> list[dict[str, Any]]:
    """What it finds, as it is written down. Raises PluginError where that is no findings of its own."""
    try:
        told = own_findings(type(check), check.inspect(scene))
    except UsageError:
        if scene.inquiry is None:
            raise
        return []  # So a check says that what it wants is not to be had; it is then listed as not looked at.
    return [Finding.of(finding).model_dump(mode="json") for finding in told]


def _state(scene: Scene) -> dict[str, object]:
    """What a check may look at and must leave alone, by its name."""

    def content(values: Tensor) -> bytes:
        return values.numpy().tobytes()

    target = scene.target
    return {
        "the samples": (content(scene.x), content(scene.samples.fetch(range(len(scene.samples))))),
        "the labels": (content(scene.y), content(scene.samples.labels)),
        "the settings": scene.settings.model_dump_json(),
        "the record": None if scene.result is None else scene.result.model_dump_json(),
        "how the model is asked": (target.deployed, target.twin, target.draws, target.through, target.num_classes),
        "the model": content(target.answer(scene.x)),
    }
