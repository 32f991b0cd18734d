"""Memory that runs out: before training, in an epoch, in validation, and in one of several processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from auditor.errors import ModelError, RunError
from auditor.harden import memory
from auditor.harden.crew import Crew
from auditor.harden.progress import Progress
from auditor.harden.trainee import Trainee
from auditor_defenses.pgd import PGDTraining
from tests.harden.small import Run

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Small(PGDTraining):
    """Has memory for so many samples of a batch."""

    name: ClassVar[str] = "small"
    most: int = 16

    def loss(self, trainee: Trainee, x: Tensor, *others: Any) -> Tensor:
        if len(x) > self.most:
            raise torch.OutOfMemoryError
        return super().loss(trainee, x, *others)


@dataclass
class Cramped(Run):
    """Validation has memory for so many samples of a pass."""

    most: int = 32
    passes: list[int] = field(default_factory=list)

    def trainer(self, *arguments: Any) -> Any:
        trainer = super().trainer(*arguments)
        answer = trainer._trainee.still

        def still(x: Tensor) -> Tensor:
            self.passes.append(len(x))
            if len(x) > self.most:
                raise torch.OutOfMemoryError
            return answer(x)

        trainer._trainee.still = still
        return trainer


def test_a_batch_that_does_not_fit_is_halved_and_the_rate_with_it(tmp_path: Path) -> None:
    progress = Run(tmp_path, recipe=Small(steps=1, most=8)).trainer().run()
    assert (progress.batch_size, progress.scale, progress.epoch) == (8, 0.25, 4)
    assert progress.remarks == [f"after epoch 0: {memory.HALVED}"] * 2


def test_updates_that_are_timed_before_training_are_halved_too(tmp_path: Path) -> None:
    run = Run(tmp_path, recipe=Small(steps=1), options={"time_limit": 100.0})
    progress = run.trainer().run()
    assert (progress.batch_size, progress.scale, progress.epoch) == (16, 0.5, 4)
    assert progress.remarks == [f"before training: {memory.HALVED}"]


def test_validation_before_training_takes_smaller_passes_where_these_do_not_fit(tmp_path: Path) -> None:
    run = Cramped(tmp_path, recipe=PGDTraining(steps=1), most=10)
    progress = run.trainer().run()
    assert progress.batch_size == 4
    assert progress.epoch > 0
    assert max(run.passes[-20:]) <= 10


def test_not_even_one_sample_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="Not even one sample fits into memory"):
        Run(tmp_path, recipe=Small(steps=1, most=0)).trainer().run()


def test_a_network_that_gives_up_twice_gets_a_quarter_of_the_rate(tmp_path: Path) -> None:
    trainer = Run(tmp_path).trainer()
    trainer._begin()
    for expected in (0.5, 0.25):
        trainer._back("best.pt", "why")
        assert trainer.progress.scale == expected


def test_one_of_several_processes_leaves_a_note_and_says_what_to_do(tmp_path: Path) -> None:
    error, crew = torch.OutOfMemoryError(), Crew(1, 4)
    with pytest.raises(ModelError, match=r"process 1 of 4\. Start all of them again with --resume.* batches of 15"):
        memory.require_smaller(Progress(epochs=3, batch_size=31), crew, tmp_path / "new", error)
    progress = Progress(epochs=3, batch_size=31)
    assert memory.noted(tmp_path / "new", progress)
    assert (progress.batch_size, progress.scale) == (15, 0.5)
    # Ended before the note was removed, all begin with it once more.
    assert memory.noted(tmp_path / "new", progress)
    assert (progress.batch_size, progress.scale) == (15, 0.5)
    assert not memory.noted(tmp_path / "other", progress)
    with pytest.raises(ModelError, match="Not even one sample"):
        memory.require_smaller(Progress(epochs=3, batch_size=7), crew, tmp_path, error)
    (tmp_path / memory.NOTE).write_text("{")
    with pytest.raises(RunError, match="cannot be read"):
        memory.noted(tmp_path, progress)


SCRIPT = """
import json, os, sys
from pathlib import Path
from auditor.harden.checkpoint import LAST
from auditor.harden.crew import joined, restarted
from tests.harden.small import Run
from tests.harden.test_memory import Small

folder = Path(sys.argv[1])
with joined() as crew:
    # Only the second process is short of memory, and only after the first epoch.
    class Later(Small):
        def loss(self, trainee, x, *others):
            short = crew.rank == 1 and trainee.epoch > 0
            return Small.loss(self if short else Small(steps=1, most=99), trainee, x, *others)

    trainer = Run(folder, recipe=Later(steps=1, most=8)).trainer((), crew)
    progress = trainer.run(resume=restarted() and (folder / LAST).is_file())
    (folder / f"{crew.rank}.json").write_text(json.dumps(progress.record()))
"""


def test_processes_that_torchrun_starts_again_go_on_with_half_the_batch(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(textwrap.dedent(SCRIPT))
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=1")
    done = subprocess.run(
        [sys.executable, *launcher, tmp_path / "script.py", tmp_path],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "Memory ran out in process 1 of 2. Start all of them again with --resume" in done.stderr
    for rank in (0, 1):
        record = json.loads((tmp_path / f"{rank}.json").read_text())
        assert (record["batch_size"], record["scale"], record["epoch"]) == (16, 0.5, 4)
        assert record["remarks"] == [f"after epoch 1: {memory.HALVED}"]
    assert not (tmp_path / memory.NOTE).exists()
