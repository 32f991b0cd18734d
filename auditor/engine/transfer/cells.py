"""From answers to the cells of a matrix: counting alone, no model is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from auditor.engine.transfer.travelled import travelled
from auditor.engine.transfer.tried import Answers
from auditor.result.statistics import wilson
from auditor.result.transfer import Agreement, ClassCount, TransferCell, TransferMatrix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from auditor.engine.transfer.contender import Contender
    from auditor.engine.transfer.setups import Setup
    from auditor.engine.transfer.tried import Heard

NOBODY = "no sample is right on both"


def matrix(setup: Setup, contenders: Sequence[Contender], heard: Heard, confidence: float) -> TransferMatrix:
    """The matrix of one setup: a cell for every model on every model, and for every ensemble on its targets."""
    names = tuple(contender.name for contender in contenders)
    pairs = [(source, target) for source in heard.examples for target in names if source in names]
    pairs += [pair for pair in heard.answers if pair[0] not in names]
    labels = {contender.name: contender.clean.labels for contender in contenders}
    return TransferMatrix(
        norm=setup.threat.norm,
        eps=setup.threat.eps,
        attack=setup.name,
        parameters=setup.parameters,
        sources=tuple(examples.record for examples in heard.examples.values()),
        targets=names,
        cells=tuple(cell(source, target, heard, labels[target], confidence) for source, target in pairs),
        travelled=travelled(names, heard, labels),
    )


def cell(source: str, target: str, heard: Heard, labels: np.ndarray, confidence: float) -> TransferCell:
    """One source on one target."""
    bare = TransferCell(source=source, target=target)
    examples = heard.examples[source]
    answers = heard.answers.get((source, target))
    reason = examples.record.reason if not examples.done else heard.missing.get((source, target), "")
    reason = reason or (answers.reason if answers else "it was not tried")
    if answers is None or reason:
        return bare.model_copy(update={"reason": reason})
    among, fooled = len(answers.index), int(answers.fooled.sum())
    if not among:
        return bare.model_copy(update={"reason": NOBODY})
    said = Answers.of(examples) & answers.index
    return bare.model_copy(
        update={
            "among": among,
            "fooled": fooled,
            "rate": fooled / among,
            "interval": wilson(fooled, among, confidence),
            "agreed": int((answers.fooled & (answers.label == said.label)).sum()),
            "noise": _counted(heard.noise.get(target), answers.index),
            "direct": _direct(target, heard, answers.index),
            "classes": _classes(labels[answers.index], answers.fooled),
            "seconds": round(answers.seconds, 4),
        }
    )


def _counted(answers: Answers | None, among: np.ndarray) -> int | None:
    """How many of these samples were fooled; None where not all were asked about."""
    if answers is None or answers.reason:
        return None
    return int((answers & among).fooled.sum())


def _direct(target: str, heard: Heard, among: np.ndarray) -> int | None:
    own = heard.examples.get(target)
    return _counted(heard.answers.get((target, target)), among) if own is not None and own.done else None


def _classes(labels: np.ndarray, fooled: np.ndarray) -> tuple[ClassCount, ...]:
    return tuple(
        ClassCount(label=int(label), among=int((labels == label).sum()), fooled=int(fooled[labels == label].sum()))
        for label in np.unique(labels)
    )


def agreement(first: Contender, second: Contender) -> Agreement:
    """Whether two models are wrong on the same clean samples."""
    one, two = ~first.clean.correct, ~second.clean.correct
    n, both = len(one), int((one & two).sum())
    same = int((one & two & (first.clean.prediction == second.clean.prediction)).sum())
    return Agreement(
        first=first.name,
        second=second.name,
        both_wrong=both,
        first_wrong=int(one.sum()),
        second_wrong=int(two.sum()),
        same_wrong_label=same,
        n=n,
        kappa=_kappa(int(one.sum()), int(two.sum()), both, n),
    )


def _kappa(first: int, second: int, both: int, n: int) -> float | None:
    """Cohen 1960: agreement beyond that of chance, as a share of what chance leaves."""
    if not 0 < first < n or not 0 < second < n:
        return None
    seen = (n - first - second + 2 * both) / n
    chance = (first * second + (n - first) * (n - second)) / n**2
    return (seen - chance) / (1.0 - chance)
