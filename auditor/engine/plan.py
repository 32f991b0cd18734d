"""The plan: which attacks run against a target under a threat, in which order, and why some do not."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from auditor.border import foreign, said
from auditor.engine.suites import ALL, recipe
from auditor.errors import PluginError, UsageError
from auditor.parameters import coerced
from auditor.target.head import Head
from auditor.types import Access, Goal

if TYPE_CHECKING:
    from auditor.attack import Attack
    from auditor.settings import Settings
    from auditor.target.base import Target
    from auditor.types import Threat


_MOST = 10**12
"""Passes that an attack may say a sample costs."""


@dataclass(frozen=True)
class Step:
    """An attack of the plan under the name it has in tables.

    `skip` says why it will not run, `broken` why it cannot; `forwards` and `backwards` are what a sample costs that
    withstands.
    `among` says whom it attacks.
    """

    name: str
    attack: Attack
    skip: str = ""
    broken: str = ""
    forwards: int = 1
    backwards: int = 0
    among: str = ALL

    @property
    def kind(self) -> tuple[str, str]:
        """Attacks of one kind find the same things with more of the same passes."""
        return self.attack.name, getattr(self.attack, "loss", "")


@dataclass(frozen=True)
class Part:
    """An attack and whom it attacks, as suites say."""

    attack: Attack
    among: str = ALL


def chosen_attacks(
    settings: Settings,
    available: Mapping[str, type[Attack]],
    threat: Threat | None = None,
    find: Callable[[str], type[Attack] | None] = lambda name: None,
) -> tuple[Part, ...]:
    """The configured attacks that the settings ask for: those named with `--attack`, else the suite's for this threat.

    Args:
        find: makes classes for names that nothing offers, such as `foolbox:LinfPGD`.

    Raises:
        UsageError: an attack that is not installed, or parameters that it does not take.
    """
    suite = recipe(settings.suite, threat)
    wanted = [(a.name, a.parameters, ALL) for a in settings.attacks] or list(suite)
    return tuple(Part(configured(available, name, parameters, find), among) for name, parameters, among in wanted)


def configured(
    available: Mapping[str, type[Attack]],
    name: str,
    parameters: Mapping[str, Any],
    find: Callable[[str], type[Attack] | None] = lambda name: None,
) -> Attack:
    """The attack of this name, set up.

    Raises:
        UsageError: it is not installed, or does not take these parameters.
        PluginError: it breaks while it is set up.
    """
    cls = available.get(name) or find(name)
    if cls is None:
        first, _, rest = name.partition(":")
        if first in available:
            raise UsageError(f"--attack {name!r}: {rest!r} is no key=value.")
        near = difflib.get_close_matches(name, available, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UsageError(
            f"No installed attack is called {name!r}.{hint} `auditor plugins --all` lists what is there; "
            f"attacks come in distributions with an entry point in the group 'auditor'."
        )
    try:
        with foreign():
            return cls(**coerced(cls, parameters))
    except UsageError:
        raise
    except Exception as error:  # a plugin border
        raise PluginError(f"The attack {name!r} cannot be set up: {said(error)}.") from error


def make_plan(parts: Sequence[Attack | Part], target: Target, threat: Threat, sample_rank: int) -> tuple[Step, ...]:
    """Match the attacks against the threat and what the target allows; names are unique within the plan.

    Attacks in preview come last: what they break never gates, so it must not be kept from the others.
    """
    steps: list[Step] = []
    labels: list[str] = []
    for part in parts:
        part = part if isinstance(part, Part) else Part(part)
        attack = part.attack
        try:
            with foreign():
                label, skip = _text(attack.label), _text(_obstacle(attack, target, threat, sample_rank))
                passes = attack.passes(_classes(target, threat))
                forwards, backwards = (_count(passes.forwards, 1), _count(passes.backwards, 0)) if passes else (1, 0)
            broken = ""
        except Exception as error:  # a plugin border: what an attack says of itself may be broken too
            label, skip, forwards, backwards = attack.name, "", 1, 0
            broken = f"its plugin broke: {said(error)}"
        labels.append(label)
        count = labels.count(label)
        name = label if count == 1 else f"{label}#{count}"
        steps.append(Step(name, attack, skip, broken, forwards, backwards, part.among))
    return tuple(sorted(steps, key=lambda step: step.attack.stage != "stable"))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise PluginError(f"it says {value!r} where a text is due")
    return value


def _count(value: object, least: int) -> int:
    """A number of passes that can be counted with."""
    if not isinstance(value, int) or not 0 <= value <= _MOST:
        raise PluginError(f"it says that a sample costs {value!r} passes")
    return max(value, least)


def _obstacle(attack: Attack, target: Target, threat: Threat, sample_rank: int) -> str:
    if threat.norm not in attack.norms:
        return f"does not work in {threat.norm}; it works in {', '.join(sorted(attack.norms))}"
    if threat.minimal and not attack.minimal:
        return "searches within a budget, and there is none"
    if attack.access is Access.GRADIENTS and target.twin is None:
        return "needs gradients, and this model gives none"
    if attack.access is Access.SCORES and target.head is Head.LABELS:
        return "needs scores, and this model answers with labels alone"
    if attack.images_only and sample_rank != 3:
        return "works on images only"
    return attack.unfit(_classes(target, threat)) or ""


def _classes(target: Target, threat: Threat) -> int:
    """How many classes attacks see: under a targeted goal the wanted one and the others."""
    return 2 if threat.goal is Goal.TARGETED else target.num_classes
