"""Which samples are trained with, which choose the best checkpoint, and which nobody looks at before the report."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from auditor.errors import DataError

SHARE = 0.1
MOST = 1000
"""Of each class a tenth is held out, of all classes together at most so many."""


@dataclass(frozen=True)
class Split:
    """Positions among the samples, `(n,)` int64 each, in order."""

    training: Tensor
    validation: Tensor
    held_out: Tensor


def split(labels: Tensor, seed: int, *, hold_out: bool) -> Split:
    """Draw, class by class, those that validate and, if asked for, those that are held out for the report.

    Raises:
        DataError: a part would be empty.
    """
    generator = torch.Generator().manual_seed(seed)
    share = min(SHARE, MOST / max(1, len(labels)))
    parts: list[list[Tensor]] = [[], [], []]
    for label in torch.unique(labels).tolist():
        rows = (labels == label).nonzero().squeeze(1)
        rows = rows[torch.randperm(len(rows), generator=generator)]
        count = round(share * len(rows)) or min(1, len(rows) // 3)
        cuts = (count, count if hold_out else 0)
        parts[1].append(rows[: cuts[0]])
        parts[2].append(rows[cuts[0] : sum(cuts)])
        parts[0].append(rows[sum(cuts) :])
    training, validation, held_out = (torch.cat(part).sort().values for part in parts)
    if not (len(training) and len(validation) and (len(held_out) or not hold_out)):
        raise DataError(
            f"{len(labels)} samples are too few to train with and to hold some back; give at least three of a class."
        )
    return Split(training, validation, held_out)
