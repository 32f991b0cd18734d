"""What a user asks of `auditor harden`, understood and checked before anything is read."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from auditor.configuration import parse_attack
from auditor.defense import Addition, Defense, Recipe, Training, Wrapper
from auditor.errors import PluginError, UsageError
from auditor.harden.at_work import at_work
from auditor.parameters import coerced
from auditor.types import Norm, Threat
from auditor.values import Amount, parse_duration

if TYPE_CHECKING:
    from auditor.settings import Settings

AUGMENTATIONS = frozenset({"affine", "crop", "flip"})
NORMS = frozenset({Norm.LINF, Norm.L2, Norm.L1})
_KEEP = Amount("a share of clean accuracy from 0 to 1, such as 0.02 or 2%", 0.0, 1.0, share=True)
_EPOCHS = Amount("a whole number, at least 1, such as 30", 1, whole=True)


@dataclass(frozen=True, kw_only=True)
class HardenSettings:
    """All that decides what is trained how.

    Attributes:
        audit: the model, its preprocessing, the data, the threat that is trained for, and how the report is made.
        recipe, additions, training: what is trained, and how.  text: as the user wrote it.
        validation: data of its own for the report; empty holds some of the training data out.
        freeze: patterns of names of weights that stay as they are.
        augment: any of `affine`, `crop` and `flip`; None decides by the data.
        keep_clean: how much clean accuracy may be lost.  time_limit: seconds of training.
    """

    audit: Settings
    text: str
    recipe: Recipe
    additions: tuple[Addition, ...]
    training: Training
    validation: str = ""
    freeze: tuple[str, ...] = ()
    augment: frozenset[str] | None = None
    keep_clean: float | None = None
    time_limit: float | None = None

    @property
    def threat(self) -> Threat:
        """What is trained for."""
        first = self.audit.threats[0]
        return Threat(norm=first.norm, eps=first.eps)


def understood(audit: Settings, flags: Mapping[str, Any], available: Mapping[str, type[Defense]]) -> HardenSettings:
    """Settings from those of the audit, the flags of `harden` alone, and the defenses that are installed.

    Raises:
        UsageError: a flag has no meaning, a recipe is not installed, or cannot be trained for this threat.
        PluginError: a recipe cannot be set up.
    """
    text = flags.get("recipe") or "pgd"
    recipe, additions = parse_recipe(text, available)
    if len(audit.threats) != 1 or audit.threats[0].norm not in recipe.norms or math.isinf(audit.threats[0].eps):
        able = ", ".join(sorted(recipe.norms))
        raise UsageError(f"{recipe.name} trains for one threat with a budget: one --norm of {able}, and one --eps.")
    if audit.goal != "untargeted":
        raise UsageError("A model is hardened against any wrong answer: leave --goal out.")
    keep, limit = flags.get("keep_clean"), flags.get("time_limit")
    return HardenSettings(
        audit=audit,
        text=text,
        recipe=recipe,
        additions=additions,
        training=parse_training(recipe.training, flags.get("training"), flags.get("epochs")),
        validation=flags.get("validation") or "",
        freeze=tuple(flags.get("freeze") or ()),
        augment=_augment(flags.get("augment")),
        keep_clean=None if keep is None else _KEEP.parse(keep, "--keep-clean"),
        time_limit=None if limit is None else parse_duration(limit),
    )


def parse_recipe(text: str, available: Mapping[str, type[Defense]]) -> tuple[Recipe, tuple[Addition, ...]]:
    """`"trades:beta=6+awp"`: a recipe, and additions to it. Raises UsageError."""
    made = [_defense(part, available) for part in text.split("+")]
    if wrapper := next((each for each in made if isinstance(each, Wrapper)), None):
        raise UsageError(
            f"{wrapper.name} is a wrapper: nothing is trained, it goes before the model as it is. Audit it there with "
            f"`auditor scan MODEL --wrapper {wrapper.name}`."
        )
    recipes = [each for each in made if isinstance(each, Recipe)]
    additions = tuple(each for each in made if isinstance(each, Addition))
    if len(recipes) != 1 or len(recipes) + len(additions) != len(made):
        known = ", ".join(sorted(name for name, kind in available.items() if issubclass(kind, Recipe)))
        raise UsageError(f"--recipe {text!r} needs one recipe, and may have additions after a +; recipes are {known}.")
    return recipes[0], additions


def _defense(text: str, available: Mapping[str, type[Defense]]) -> Defense:
    asked = parse_attack(text, "--recipe")
    if asked.name not in available:
        near = difflib.get_close_matches(asked.name, available, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"No installed defense is called {asked.name!r}.{hint} `auditor plugins --all` lists them.")
    cls = available[asked.name]
    with at_work(cls):
        made = cls(**coerced(cls, asked.parameters))
        if isinstance(made, Recipe) and not isinstance(made.training, Training):
            raise PluginError(f"its training is of type {type(made.training).__name__} instead of Training")
        return made


def parse_training(usual: Training, text: str | None, epochs: str | None) -> Training:
    """The recipe's way to train, with what `--training lr=0.01,schedule=cosine` and `--epochs` say instead."""
    said = parse_attack(f"training:{text}", "--training").parameters if text else {}
    if epochs is not None:
        said["epochs"] = int(_EPOCHS.parse(epochs, "--epochs"))
    return dataclasses.replace(usual, **coerced(Training, said))


def _augment(text: str | None) -> frozenset[str] | None:
    if text is None or text == "auto":
        return None
    names = frozenset(name.strip() for name in text.split(",")) - {"none"}
    if not names <= AUGMENTATIONS:
        raise UsageError(f"--augment is auto, none, or of {', '.join(sorted(AUGMENTATIONS))}; not {text!r}.")
    return names
