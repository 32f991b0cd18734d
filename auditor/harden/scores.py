"""How good a network in training is, asked with more steps than it is trained with."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from auditor.rng import Rng

if TYPE_CHECKING:
    from auditor.harden.trainee import Trainee
    from auditor.types import Images, Labels, Threat

STEPS = 20
_BATCH = 256


@dataclass(frozen=True)
class Score:
    """Shares of the validation samples that are classified correctly: as they are, after one gradient step across the
    whole budget, and after `STEPS` steps from a random start."""

    clean: float
    single: float
    robust: float

    def record(self) -> dict[str, float]:
        return asdict(self)


@dataclass(frozen=True)
class Validation:
    """The samples that choose between checkpoints."""

    x: Images
    y: Labels
    threat: Threat
    seed: int

    @property
    def floor(self) -> float:
        """The accuracy of always answering with the most frequent class."""
        return float(torch.bincount(self.y).max()) / len(self.y)

    def score(self, trainee: Trainee, most: int = _BATCH) -> Score:
        """A sample counts as robust where it withstood both; what is misclassified as it is costs no more passes. A
        pass is over `most` samples, if not fewer."""
        counts = torch.zeros(3, device=trainee.device)
        # Several processes share the samples.
        mine = torch.arange(trainee.crew.rank, len(self.x), trainee.crew.world)
        for rows in torch.split(mine, min(most, _BATCH)) if len(mine) else ():
            counts += self._counts(trainee, rows)
        return Score(*(trainee.crew.total(counts) / len(self.x)).tolist())

    def unanswered(self, trainee: Trainee, most: int = _BATCH) -> int:
        """How many of the samples the network answers with NaN or infinity; a pass is over `most`, if not fewer."""
        lost = torch.zeros(1, device=trainee.device)
        mine = torch.arange(trainee.crew.rank, len(self.x), trainee.crew.world)
        for rows in torch.split(mine, min(most, _BATCH)) if len(mine) else ():
            with torch.no_grad():
                lost += (~trainee.still(self.x[rows].to(trainee.device)).isfinite().all(1)).sum()
        return int(trainee.crew.total(lost))

    def _counts(self, trainee: Trainee, rows: torch.Tensor) -> torch.Tensor:
        x, y = self.x[rows].to(trainee.device), self.y[rows].to(trainee.device)
        rows, found, survivors = rows.to(trainee.device), _right(trainee, x, y), []
        for steps, step_size in ((1, 1.0), (STEPS, 2.5 / STEPS)):
            survivors.append(found.sum())
            x, y, rows = x[found], y[found], rows[found]
            if not len(x):
                break
            objective = partial(functional.cross_entropy, target=y, reduction="none")
            rng = Rng.keyed(self.seed, "validation", rows)
            start = x if steps == 1 else None
            worst = trainee.climb(x, objective, self.threat, rng, steps=steps, step_size=step_size, start=start)
            found = _right(trainee, worst, y)
        else:
            survivors.append(found.sum())
        return torch.stack(survivors + [survivors[0] * 0] * (3 - len(survivors)))


@torch.no_grad()
def _right(trainee: Trainee, x: Images, y: Labels) -> torch.Tensor:
    return trainee.still(x).argmax(1) == y
