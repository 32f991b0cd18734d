"""A model that stands in for the target, and whether it is like it enough to be of use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from auditor.check import Finding, Severity
from auditor.result.statistics import binomial_tail, wilson
from auditor.result.surrogates import SurrogateResult

if TYPE_CHECKING:
    from auditor.engine.standing import Clean
    from auditor.samples.base import Samples
    from auditor.target.base import Target

LEFT_OUT = "AUD126"
_CERTAIN = 0.01
_BATCH = 64


@dataclass(frozen=True)
class Surrogate:
    """A surrogate and its record. `target` is None where it was left out; `broken` says that something went wrong."""

    record: SurrogateResult
    target: Target | None = None
    broken: bool = False


@dataclass(frozen=True)
class Standard:
    """What surrogates are held against: the audited model's answers to clean samples, and the samples `some` of them,
    evenly spread, on which that is cheap."""

    target: Target
    samples: Samples
    clean: Clean
    some: np.ndarray

    def held(self, record: SurrogateResult, surrogate: Target, on: np.ndarray) -> Surrogate:
        """The surrogate with what it has in common with the audited model on samples that it was not trained on; left
        out where that is what guessing gives."""
        said = np.zeros(len(on), dtype=np.int64)
        with surrogate.frozen():
            for at in range(0, len(on), _BATCH):
                x = self.samples.fetch(on[at : at + _BATCH].tolist())
                said[at : at + _BATCH] = surrogate.answer(x).argmax(1).cpu().numpy()
        agreed, n = int((said == self.clean.prediction[on]).sum()), len(on)
        if not n:
            return Surrogate(record, surrogate)
        record = record.model_copy(
            update={
                "agreement": agreed / n,
                "agreement_interval": wilson(agreed, n),
                "samples": n,
                "clean_accuracy": float((said == self.clean.labels[on]).mean()),
            }
        )
        if guesses(agreed, n, surrogate.num_classes):
            why = f"it agrees with the model on {agreed} of {n} samples, no better than guessing"
            return Surrogate(record.model_copy(update={"left_out": why}))
        return Surrogate(record, surrogate)


def guesses(agreed: int, n: int, classes: int) -> bool:
    """Whether so few agreements are what guessing gives, and would hardly come of a model halfway to the target."""
    chance = 1.0 / classes
    few = agreed / n <= min(1.5 * chance, chance + 0.05)
    return few and 1.0 - binomial_tail(agreed + 1, n, (1.0 + chance) / 2.0) < _CERTAIN


def left_out(surrogates: Sequence[Surrogate]) -> Iterator[Finding]:
    """Surrogates that nothing was tried with."""
    for record in (each.record for each in surrogates if each.record.left_out):
        yield Finding(
            code=LEFT_OUT,
            severity=Severity.WARN,
            title=f"The surrogate {record.name} was left out",
            detail=f"{record.left_out[:1].upper()}{record.left_out[1:]}. No examples were made on it.",
            remedy="Say how its input is prepared, apart from the model's own flags, such as "
            f"--surrogate {record.source}:mean=0.5,std=0.25; its classes have to be the model's, in the same order."
            if not record.queries
            else "Allow more queries, start from more samples, or name a model of your own.",
            evidence={"agreement": record.agreement, "samples": record.samples} if record.samples else {},
        )
