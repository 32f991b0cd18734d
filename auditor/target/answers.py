"""Answers from which nothing can be concluded: no numbers, other ones each time, or the same for every sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from auditor.check import Finding, Severity
from auditor.target.notices import FINITE, RANDOM
from auditor.types import DRAWS

if TYPE_CHECKING:
    from auditor.types import Labels, Logits

NOT_FINITE = "The model answers with NaN or infinity"
AT_RANDOM = "The model answers at random"

PASSES = 5
"""How often the same samples are asked about."""

_DIFFERENCE = 1e-4
_OVERFLOW = (
    "Check --input-range, --mean and --std, and whether the model overflows in the precision it was exported in."
)
_BY_HAND = (
    "No sample in particular is at fault: look for NaN among the weights, which training that diverged leaves there, "
    "and for overflow in the precision it was exported in; then check --input-range, --mean and --std."
)


def useless(logits: Logits) -> Tensor:
    """Which rows of `(N, K)` name no class, `(N,)` bool: NaN, plus infinity, or minus infinity alone."""
    return ~(logits < float("inf")).all(1) | (logits == -float("inf")).all(1)


def not_finite(logits: Logits) -> Finding | None:
    """The finding for useless rows, if there are any."""
    rows = useless(logits)
    if not rows.any():
        return None
    every = bool(rows.all())
    kind = "NaN" if every and bool(logits.isnan().any(1).all()) else "not finite"
    return Finding(
        code=FINITE,
        severity=Severity.BLOCK,
        title=NOT_FINITE,
        detail=f"On {'all' if every else f'{int(rows.sum())} of'} {len(logits)} clean samples the answer is {kind}.",
        remedy=_BY_HAND if every else _OVERFLOW,
        evidence={"such answers": int(rows.sum()), "samples": len(logits)},
    )


def at_random(passes: Tensor, y: Labels | None = None) -> Finding | None:
    """The finding for answers that differ from pass to pass, if they do.

    Args:
        passes: logits of the same samples, `(PASSES, N, K)`.
        y: their labels, if they are known, `(N,)`.
    """
    answers = passes.argmax(2)
    unit = passes / (passes.norm(dim=2, keepdim=True) + 1e-10)
    difference = max(float((unit[i] - unit[j]).norm(dim=1).max()) for i in range(len(unit)) for j in range(i))
    changed = int((answers != answers[0]).any(0).sum())
    if changed == 0 and not difference > _DIFFERENCE:
        return None
    right = "" if y is None else _right((answers == y).sum(1))
    return Finding(
        code=RANDOM,
        severity=Severity.WARN,
        title=AT_RANDOM,
        detail=f"In {len(passes)} passes over the same samples, {changed} of {passes.shape[1]} answers changed class"
        f"{right}, and normalised logits differed by up to {difference:.2g}. So an audit judges the class that most of "
        f"{DRAWS} or more fresh draws name, and attacks average over draws.",
        remedy="Switch the randomness off if it is not deployed. --eot sets the number of draws.",
    )


def _right(correct: Tensor) -> str:
    return f", the number of correct ones ranged from {int(correct.min())} to {int(correct.max())}"


def constant(rows: Tensor) -> bool:
    """Whether several rows, answers or samples, are all the very same."""
    return len(rows) > 1 and torch.equal(rows, rows[:1].expand_as(rows))
