"""What was found under one threat counts for others of its norm: smaller examples for larger budgets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from auditor.engine.referee import fools_in_8bit
from auditor.engine.standing import Break, Standing
from auditor.norms import tolerance
from auditor.result.evidence import Shard
from auditor.result.record import INHERITED, AttackRun

if TYPE_CHECKING:
    from auditor.target.base import Target
    from auditor.types import Threat


def inherit(others: Sequence[Standing], standing: Standing, threat: Threat) -> AttackRun:
    """Take over, at no cost, the smallest examples of other threats of the norm, as far as they lie within this one.

    Where the smallest changes are looked for, only what is smaller than what is known.
    """
    todo = set(standing.standing().tolist())
    most = threat.eps + tolerance(threat.norm, threat.eps)
    best: dict[int, Break] = {index: found for index, (_, found) in standing.broken_by.items()}
    taken: dict[int, Break] = {}
    for other in others:
        for index, (_, found) in other.broken_by.items():
            known = best.get(index)
            if index in todo and found.distance <= most and (known is None or found.distance < known.distance):
                best[index] = taken[index] = replace(found, passes=0)
    standing.note(INHERITED, list(taken.values()))
    return AttackRun(
        name=INHERITED,
        parameters={},
        status="ran",
        reason="smaller examples of the same norm, found before",
        attacked=len(todo),
        broken=len(taken),
        seconds=0.0,
        forwards=0,
        backwards=0,
    )


def round_again(standing: Standing, shards: Iterable[Shard], target: Target, threat: Threat) -> None:
    """Ask again of inherited examples that died by rounding: a larger budget has room for 8-bit images that live."""
    fragile = {index for index, (_, found) in standing.broken_by.items() if not found.survives_rounding}
    for shard in shards:
        mine = np.flatnonzero(np.isin(shard.index, list(fragile)))
        if not len(mine):
            continue
        x, points = (torch.from_numpy(values[mine]).to(target.device) for values in (shard.original, shard.judged))
        fools = fools_in_8bit(target, x, points, standing.clean.aims(shard.index[mine], x.device), threat).cpu().numpy()
        for index in shard.index[mine[fools]].tolist():
            by, found = standing.broken_by[index]
            standing.broken_by[index] = (by, replace(found, survives_rounding=True))
            fragile.discard(index)
