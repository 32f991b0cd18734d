"""What the model says of the preflight samples, asked once and shared by all checks of a scene."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, TypeVar

import torch

from auditor.result.statistics import clopper_pearson
from auditor_checks._base import percent

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.scene import Scene
    from auditor.types import Images, Logits

S = TypeVar("S")
T = TypeVar("T")

CONFIDENCE = 0.99
# Values in one batch (28 images of 3x224x224), and in all samples that a repeated pass is spent on.
_BATCH_VALUES = 2**22
_REPEATED_VALUES = 2**20


def once(question: Callable[[S], T]) -> Callable[[S], T]:
    """Ask a question of a scene or an inquiry only once; the answer is kept on it, and goes with it."""

    @wraps(question)
    def asked(of: S) -> T:
        # The way of functools.cached_property: around the frozen fields, which stay as they are.
        kept = vars(of).setdefault("_answers", {})
        if question not in kept:
            kept[question] = question(of)
        answer: T = kept[question]
        return answer

    return asked


def in_batches(function: Callable[..., Tensor], x: Images, *others: Tensor) -> Tensor:
    """`function` over `x` and what goes with it, in batches that fit a small memory; the answer is on the CPU."""
    size = max(1, _BATCH_VALUES // max(1, x[0].numel()))
    parts = zip(*(torch.split(tensor, size) for tensor in (x, *others)), strict=True)
    return torch.cat([function(*part).cpu() for part in parts])


@once
def clean_logits(scene: Scene) -> Logits:
    """The deployed model's logits for `scene.x`, `(N, K)` on the CPU."""
    return in_batches(scene.target.answer, scene.x)


@once
def right(scene: Scene) -> Tensor:
    """Which of `scene.x` the deployed model classifies as labelled, `(N,)` bool; an answer of NaN is wrong."""
    return correct(clean_logits(scene), scene)


def correct(logits: Logits, scene: Scene) -> Tensor:
    """Which rows of `logits` name the label of `scene.y`, `(N,)` bool."""
    return (logits.argmax(1) == scene.y) & ~logits.isnan().any(1)


def as_expected(scene: Scene) -> bool | None:
    """Whether clean accuracy is what the user expects, to 1 percentage point or within its exact 99 % interval.

    None where the user said nothing. Who knows the accuracy has wired the model as intended.
    """
    expected = scene.settings.expected_clean_accuracy
    if expected is None:
        return None
    n, k = len(scene.y), int(right(scene).sum())
    low, high = clopper_pearson(k, n, CONFIDENCE)
    return abs(k / n - expected) <= 0.01 or low <= expected <= high


def guessing(num_classes: int) -> float:
    """The accuracy up to which a model is taken to guess: 1.5/classes, and never more than 5 points above chance."""
    return min(1.5 / num_classes, 1.0 / num_classes + 0.05)


def or_confirm(scene: Scene) -> str:
    """How a user goes on who knows better than a check; empty where they said so already, or the model guesses."""
    accuracy = float(right(scene).float().mean())
    if as_expected(scene) or accuracy <= guessing(clean_logits(scene).shape[1]):
        return ""
    return f" If {percent(accuracy)} is the true accuracy, say so and go on: --expected-clean-accuracy {accuracy:.3f}"


def spread(n: int, most: int) -> Tensor:
    """At most `most` of the positions `0 … n - 1`, evenly over them, so that sorted samples show all classes."""
    return torch.arange(n) if n <= most else torch.arange(most) * n // most


def affordable(scene: Scene) -> Tensor:
    """Positions of the samples that passes may be repeated on: all small ones, at least 32 large ones."""
    return spread(len(scene.x), max(32, _REPEATED_VALUES // max(1, scene.x[0].numel())))
