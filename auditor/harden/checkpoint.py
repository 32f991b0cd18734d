"""Checkpoints: all that training needs to go on, bit for bit as if it had never been interrupted."""

from __future__ import annotations

import io
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from auditor.errors import RunError
from auditor.harden.crew import Crew
from auditor.harden.progress import Progress
from auditor.harden.update import Updater
from auditor.result.evidence import atomic_write

LAST, BEST = "last.pt", "best.pt"


def save(folder: Path, updater: Updater, progress: Progress, plan: str) -> None:
    """Write the present state, and the same as the best one where it is. It is there completely or not at all.

    Of several processes the first writes, and all go on when it has.
    """
    trainee = updater.trainee
    state: dict[str, Any] = {
        "plan": plan,
        "progress": progress.record(),
        "module": trainee.module.state_dict(),
        "average": updater.average.tensors,
        "optimiser": updater.optimiser.state_dict(),
        "memories": trainee.crew.gathered(trainee.memory),
        "members": trainee.members,
    }
    if trainee.crew.rank == 0:
        _write(folder, state, best=progress.best == progress.epoch)
    trainee.crew.wait()


def _write(folder: Path, state: dict[str, Any], *, best: bool) -> None:
    data = io.BytesIO()
    torch.save(state, data)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if best:
            atomic_write(folder / BEST, data.getvalue())
        atomic_write(folder / LAST, data.getvalue())
    except OSError as error:
        raise RunError(f"The checkpoint cannot be written to {folder}: {error.strerror}; make room.") from error


def restore(file: Path, updater: Updater, plan: str) -> Progress:
    """Put the state of `file` into the updater and what it trains.

    Raises:
        RunError: there is no such checkpoint, it is damaged, or it belongs to training with other settings.
    """
    trainee = updater.trainee
    try:
        state: dict[str, Any] = torch.load(file, map_location=trainee.device, weights_only=True)
    except FileNotFoundError:
        raise RunError(f"There is nothing to resume: {file} is not there.") from None
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise RunError(f"The checkpoint {file} cannot be read: {str(error).splitlines()[0]}") from error
    if state.get("plan") != plan:
        raise RunError(f"{file} was made with other settings or data; resume with those it began with, or begin anew.")
    trainee.module.load_state_dict(state["module"])
    updater.optimiser.load_state_dict(state["optimiser"])
    for name, value in state["average"].items():
        updater.average.tensors[name].copy_(value)
    trainee.memory, trainee.members = _own(state["memories"], trainee.crew, file), state["members"]
    progress = Progress.of(state["progress"])
    trainee.epoch, trainee.step = progress.epoch, progress.step
    return progress


def _own(memories: list[dict[str, Tensor]], crew: Crew, file: Path) -> dict[str, Tensor]:
    """What this process remembered."""
    if len(memories) == crew.world:
        return memories[crew.rank]
    if any(memories):
        raise RunError(f"{file} was made by {len(memories)} processes together; resume with as many.")
    return {}


def forget(folder: Path) -> None:
    """Remove the checkpoints of training that is finished."""
    for name in (LAST, BEST):
        (folder / name).unlink(missing_ok=True)
    if folder.is_dir() and not os.listdir(folder):
        shutil.rmtree(folder)
