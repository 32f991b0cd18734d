"""Cells of a finished run, counted again from the examples that it kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from auditor.engine.aims import Aims
from auditor.engine.clean import wanted
from auditor.engine.transfer.craft import keeps

if TYPE_CHECKING:
    from auditor.result.evidence import Shard
    from auditor.result.run import Run
    from auditor.result.transfer import TransferCell, TransferMatrix
    from auditor.target.base import Target
    from auditor.types import Norm, Threat

_SLACK, _CHANCE = 0.01, 0.05
"""Shares of a cell's samples that may answer otherwise elsewhere, since they lie at a border; where chance decides."""


@dataclass(frozen=True)
class Recount:
    """All cells of one matrix with one target: what the record counts, how much of it came again, what contradicts.

    `unkept` is how many of the cells could not be counted again, since their examples are kept no more; their samples
    are not among `counted`.
    """

    matrix: TransferMatrix
    counted: int
    held: int
    problem: str
    unkept: int = 0


def recounted(run: Run, target: Target, name: str, threats: Mapping[tuple[Norm, float], Threat]) -> Iterator[Recount]:
    """Let one model of a run, called `name` there, answer again what was tried on it, as far as that is kept.

    Args:
        threats: by norm and budget, rounded to 12 digits.

    Raises:
        RunError: a file is damaged.
    """
    right = {row.index for row in run.rows if row.model == name and row.clean_correct}
    for matrix in run.result.transfer.matrices if run.result.transfer else ():
        threat = threats.get((matrix.norm, round(matrix.eps, 12)))
        cells = [cell for cell in matrix.cells if cell.target == name and cell.rate is not None]
        if threat is None:
            yield Recount(matrix, 0, 0, "the settings of the run do not ask for this budget")
            continue
        if not cells:
            continue
        kept = [(cell, told) for cell in cells if (told := _again(run, target, matrix, cell, threat, right))]
        share = _SLACK if target.draws == 1 else _CHANCE
        counted = sum(cell.fooled for cell, _ in kept)
        held = sum(min(cell.fooled, fooled) for cell, (_, fooled, _) in kept)
        problems = (_problem(cell, *told, share) for cell, told in kept)
        yield Recount(matrix, counted, held, next(filter(None, problems), ""), len(cells) - len(kept))


def _again(
    run: Run, target: Target, matrix: TransferMatrix, cell: TransferCell, threat: Threat, right: set[int]
) -> tuple[int, int, int] | None:
    """Samples that count, how many are fooled, and how many examples leave the threat; None where none are kept."""
    shards = list(run.tried_on_others(cell.source, matrix.norm, matrix.eps, matrix.attack))
    told = [_answered(target, shard, threat, right) for shard in shards]
    return (sum(n for n, _, _ in told), sum(k for _, k, _ in told), sum(out for _, _, out in told)) if told else None


def _answered(target: Target, shard: Shard, threat: Threat, right: set[int]) -> tuple[int, int, int]:
    rows = np.array([index in right for index in shard.index.tolist()], bool)
    part = shard.select(rows)
    if not len(part.index):
        return 0, 0, 0
    x, images, y = (torch.from_numpy(v).to(target.device) for v in (part.original, part.adversarial, part.label))
    aims = Aims(y, wanted(threat, target.judged(x)))
    meant = torch.ones_like(y, dtype=torch.bool) if aims.wanted is None else aims.wanted != y
    fooled = aims.reached(target.judged(images)) & meant
    # What is rendered from points lies where they do, and the points are not kept.
    inside = keeps(threat, images, images, x) if threat.plain else torch.ones_like(meant)
    return int(meant.sum()), int(fooled.sum()), int((~inside).sum())


def _problem(cell: TransferCell, among: int, fooled: int, outside: int, share: float) -> str:
    """What contradicts a cell, or nothing."""
    if outside:
        return f"{outside} examples made on {cell.source} lie outside the budget"
    if among != cell.among:
        return f"of what was made on {cell.source}, {among} samples count, not {cell.among}"
    if abs(fooled - cell.fooled) > max(1.0, share * cell.among):
        return f"what was made on {cell.source} fools it on {fooled} of {among} samples, not {cell.fooled}"
    return ""
