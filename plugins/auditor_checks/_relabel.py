"""Which other numbering of the classes fits what the model answers?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from auditor.result.statistics import mcnemar
from auditor_checks._answers import clean_logits, guessing, once, right
from auditor_checks._assignment import best_assignment

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from numpy.typing import NDArray

    from auditor.engine.scene import Scene

    Ints: TypeAlias = NDArray[np.int64]
    Fit: TypeAlias = Callable[[Ints, Ints], dict[int, int]]

_GAIN, _SURE = 0.10, 0.001


@dataclass(frozen=True)
class Relabelling:
    """Another numbering of the classes, with the accuracy it has on samples that it was not fitted to.

    Attributes:
        output: output of the model by label of the data; labels not in it are their own output.
        shift: where every label moves by the same number, that number; else None.
    """

    output: dict[int, int]
    shift: int | None
    before: float
    after: float
    p: float


@once
def best_relabelling(scene: Scene) -> Relabelling | None:
    """The numbering under which the model is clearly more accurate, if there is one.

    Fitted on one half of the samples and judged on the other, both ways, since the best of so many numberings
    would flatter any model on the samples it was chosen by.
    """
    before = right(scene).numpy()
    if before.mean() > 1.0 - _GAIN:
        return None
    labels, predictions = scene.y.numpy(), clean_logits(scene).argmax(1).numpy()
    halves = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0)).numpy() % 2 == 0
    shifted = _held_out(_fit_shift, labels, predictions, halves)
    permuted = _held_out(_fit_assignment, labels, predictions, halves)
    simple = shifted.mean() >= permuted.mean()
    after = shifted if simple else permuted
    p = mcnemar(int((before & ~after).sum()), int((after & ~before).sum()))
    least = max(before.mean() + _GAIN, guessing(clean_logits(scene).shape[1]))
    if after.mean() <= least or p >= _SURE:
        return None
    output = (_fit_shift if simple else _fit_assignment)(labels, predictions)
    shift = next((o - label for label, o in output.items()), 0) if simple else None
    return Relabelling(output, shift, float(before.mean()), float(after.mean()), p)


def _held_out(fit: Fit, labels: Ints, predictions: Ints, half: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether each sample is right under the numbering that was fitted to the half it is not in."""
    after = np.zeros(len(labels), dtype=bool)
    for fitted, judged in ((half, ~half), (~half, half)):
        output = fit(labels[fitted], predictions[fitted])
        expected = np.array([output.get(label, label) for label in labels[judged].tolist()], dtype=np.int64)
        after[judged] = expected == predictions[judged]
    return after


def _fit_shift(labels: Ints, predictions: Ints) -> dict[int, int]:
    steps, counts = np.unique(predictions - labels, return_counts=True)
    step = int(steps[counts.argmax()]) if len(steps) else 0
    return {label: label + step for label in range(int(labels.max(initial=0)) + 1)}


def _fit_assignment(labels: Ints, predictions: Ints) -> dict[int, int]:
    present = np.unique(labels)
    answers = np.union1d(labels, predictions)
    counts = np.zeros((len(present), len(answers)))
    np.add.at(counts, (np.searchsorted(present, labels), np.searchsorted(answers, predictions)), 1.0)
    # Where the counts leave a choice, labels keep their numbers.
    counts[np.arange(len(present)), np.searchsorted(answers, present)] += 1e-3
    columns = best_assignment(-counts)
    return dict(zip(present.tolist(), answers[columns].tolist(), strict=True))
