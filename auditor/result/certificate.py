"""What wrappers prove: accuracy over the radius, and a row per sample in `certified.csv`."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from auditor.errors import RunError
from auditor.result.measures import CertificateResult
from auditor.result.statistics import Interval, wilson
from auditor.types import Norm

FILE = "certified.csv"
_STEPS = 256


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What is proven of one sample: no L2 change below `radius` gives another class; the class is -1, and the radius 0,
    where the proof abstains."""

    model: str
    index: int
    label: int
    prediction: int
    radius: float

    @property
    def stands(self) -> float:
        """The radius up to which it is proven right; 0 where it is proven wrong, or nothing is proven."""
        return self.radius if self.prediction == self.label else 0.0


def reach(norm: Norm, eps: float, values: int) -> float | None:
    """The largest L2 change that a budget allows in samples of so many `values` in `[0, 1]`; None where it is none of
    single values, or the smallest change is looked for."""
    known = {
        Norm.L2: eps,
        Norm.L1: eps,
        Norm.LINF: eps * math.sqrt(values),
        Norm.L0: math.sqrt(min(eps, values)),
    }
    return None if math.isinf(eps) else known.get(norm)


def certified(proofs: Sequence[Proof], radius: float, alpha: float, confidence: float) -> tuple[float, Interval]:
    """The share of samples that are proven right against all changes up to `radius`, and its interval.

    The interval is Wilson's, over samples; since each proof is wrong with a probability of at most `alpha`, so much is
    taken off its lower end.
    """
    k, n = sum(proof.stands > radius for proof in proofs), len(proofs)
    low, high = wilson(k, n, confidence)
    return k / max(1, n), (max(0.0, low - alpha), high)


def summarised(proofs: Sequence[Proof], alpha: float, confidence: float) -> CertificateResult | None:
    """The record of all proofs about one model, None of none. Radii are rounded down to a 256th of the largest, which
    claims no more than was proven."""
    if not proofs:
        return None
    largest = max((proof.stands for proof in proofs), default=0.0)
    cell = largest / _STEPS
    radii = sorted({math.floor(proof.stands / cell + 1e-9) * cell for proof in proofs if proof.stands > 0.0})
    steps = []
    for at in radii:
        share, (low, high) = certified(proofs, at - 0.5 * cell, alpha, confidence)
        steps.append((at, share, low, high))
    return CertificateResult(
        alpha=alpha,
        abstained=sum(proof.prediction < 0 for proof in proofs),
        curve=tuple(steps),
    )


def write_proofs(path: Path, proofs: Iterable[Proof]) -> None:
    """Write the table; complete or not at all."""
    partial = path.with_name(path.name + ".tmp")
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Proof)])
        writer.writeheader()
        writer.writerows(asdict(proof) for proof in proofs)
    partial.replace(path)


def read_proofs(path: Path) -> Iterator[Proof]:
    """Read the table again.

    Raises:
        RunError: it is missing, or a row does not hold what it should.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                index, label, prediction = (int(row[key]) for key in ("index", "label", "prediction"))
                radius = float(row["radius"])
                yield Proof(model=row["model"], index=index, label=label, prediction=prediction, radius=radius)
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, ValueError, TypeError) as error:
        raise RunError(f"{path} does not hold what {FILE} should: {error}.") from error
