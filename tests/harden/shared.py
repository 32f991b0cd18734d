"""Trainings whose result must not depend on how many processes share them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from auditor.defense import Addition, Recipe, Training
from auditor.harden.checkpoint import LAST
from auditor.harden.crew import Crew
from auditor.harden.progress import Progress
from auditor.harden.trainer import Listener
from auditor_defenses.awp import AWP
from auditor_defenses.bayesian import Bayesian
from auditor_defenses.free import Free
from auditor_defenses.mart import MART
from auditor_defenses.pgd import PGDTraining
from auditor_defenses.pool import Pool
from tests.harden.small import Run, pixels

_STEPS: dict[str, Any] = {"steps": 2, "step_size": 0.5}


@dataclass(frozen=True)
class Case:
    """What is trained: with batch normalisation, a batch that two cannot halve, and a last one that is shorter."""

    recipe: Recipe
    additions: tuple[Addition, ...] = ()
    keep_clean: float | None = None


CASES = {
    "pgd": Case(PGDTraining(**_STEPS), keep_clean=0.0),
    "mart+awp": Case(MART(**_STEPS), (AWP(gamma=0.05),)),
    "free": Case(Free(replays=2)),
    "pool": Case(Pool(size=50, **_STEPS)),
    "bayesian": Case(Bayesian(members=2, **_STEPS)),
}


class Interrupted(Exception):
    """As if the process had been killed."""


def trained(name: str, folder: Path, crew: Crew | None = None) -> tuple[Progress, dict[str, Tensor]]:
    """How it went, and all weights and statistics: those that are kept, and those of the last epoch. Each training is
    interrupted, and resumed."""

    def interrupt(progress: Progress, done: int, total: int) -> None:
        if progress.epoch == 1 and done == 2:
            raise Interrupted

    with suppress(Interrupted):
        _run(name, folder, crew, interrupt)
    return _run(name, folder, crew, resume=True)


def _run(
    name: str, folder: Path, crew: Crew | None, listen: Listener | None = None, *, resume: bool = False
) -> tuple[Progress, dict[str, Tensor]]:
    case = CASES[name]
    torch.manual_seed(0)
    # A bias before batch normalisation has a gradient of rounding errors, of which AdamW would make steps.
    first = nn.Linear(16, 8, bias=False)
    module = nn.Sequential(nn.Flatten(), first, nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    training = Training(epochs=3, batch_size=31, lr=0.02, average=0.9, warmup=0.0)
    run = Run(folder, case.recipe, training, module, {"keep_clean": case.keep_clean}, pixels(110))
    trainer = run.trainer(case.additions, crew)
    trainer._listen = listen or trainer._listen
    progress, kept = trainer.run(resume=resume), run.weights()
    last = torch.load(folder / LAST)["module"]
    return progress, {**kept, **{f"last {key}": value for key, value in last.items()}}
