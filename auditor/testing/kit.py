"""What the conformance kit asks: one behaviour a question, each with what the engine relies on it for.

Every kind of plugin has a module of questions. `questions(thing)` gives those that fit a thing, so a plugin's own
tests are three lines:

    @pytest.mark.parametrize("question", questions(MyAttack(steps=5)), ids=str)
    def test_my_attack_conforms(question):
        question.ask()
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any


@dataclass(frozen=True)
class Question:
    """One behaviour: `about` what, as a sentence that is true of a plugin that conforms.

    `ask` returns where it is true, raises AssertionError with a sentence about what was seen instead where it is not,
    and whatever the plugin raises where that breaks.
    """

    about: str
    sentence: str
    ask: Callable[[], None]

    def __str__(self) -> str:
        return f"{self.about}: {self.sentence}"


def questions(thing: Any) -> tuple[Question, ...]:
    """The questions for an attack, a recipe, an addition, a wrapper, a check, a format, or a loader with a file.

    Args:
        thing: an instance, or a class that can be made without arguments. Cheap hyper-parameters make cheap tests.
            For a loader, which is a function, a `Loading`.

    Raises:
        TypeError: it is none of these.
    """
    from auditor.attack import Attack
    from auditor.check import Check
    from auditor.defense import Defense
    from auditor.formats.base import Format
    from auditor.testing.attacks import attack_questions
    from auditor.testing.checks import check_questions
    from auditor.testing.defenses import defense_questions
    from auditor.testing.formats import format_questions
    from auditor.testing.loaders import Loading, loader_questions

    made = thing() if isinstance(thing, type) else thing
    match made:
        case Attack():
            return tuple(attack_questions(made))
        case Defense():
            return tuple(defense_questions(made))
        case Check():
            return tuple(check_questions(made))
        case Format():
            return tuple(format_questions(made))
        case Loading():
            return tuple(loader_questions(made))
    raise TypeError(f"{made!r} is no attack, defense, check, format or Loading, so the kit has no questions for it.")


def demand_documented(plugin: Any, *headings: str) -> None:
    """Raise AssertionError where the class docstring lacks a heading, or a hyper-parameter has no help."""
    doc = type(plugin).__doc__ or ""
    for heading in headings:
        demand(heading in doc, f"the docstring has no {heading!r}")
    # What is not compared is no hyper-parameter: patterns that were learned, say.
    declared = fields(plugin) if is_dataclass(plugin) else ()
    unhelped = [field.name for field in declared if field.init and field.compare and "help" not in field.metadata]
    demand(not unhelped, f"no help for {', '.join(unhelped)}: declare them with auditor.parameter")


def global_state() -> dict[str, object]:
    """What a plugin shares with everybody else in the process, by its name."""
    import random

    import numpy as np
    import torch

    return {
        "torch's global random state": torch.get_rng_state().numpy().tobytes(),
        "NumPy's global random state": str(np.random.get_state()),
        "Python's global random state": random.getstate(),
        "the number of threads": torch.get_num_threads(),
        "the default type of tensors": torch.get_default_dtype(),
        "whether gradients are recorded": torch.is_grad_enabled(),
    }


def demand_untouched(before: dict[str, object]) -> None:
    """Raise AssertionError where `global_state` is not what it was before."""
    now = global_state()
    demand(now == before, f"it changed {', '.join(name for name in now if now[name] != before[name])}")


def demand(holds: object, instead: str) -> None:
    """Raise AssertionError with what was seen `instead`, unless something holds; `assert` would vanish under -O."""
    if not bool(holds):
        raise AssertionError(instead)
