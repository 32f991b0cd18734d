"""Batches that do not fit into memory are halved, and learning rates with them (Goyal et al., arXiv:1706.02677).

A process that trains with others cannot tell them in the middle of an update, where they wait for its gradients. It
leaves a note beside the checkpoints and ends; all of them, started again, begin with the smaller batch.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch

from auditor.errors import ModelError, RunError
from auditor.result.evidence import atomic_write

if TYPE_CHECKING:
    from auditor.harden.crew import Crew
    from auditor.harden.progress import Progress

NOTE = "memory.json"
HALVED = "memory ran out, so batches and learning rate were halved"

T = TypeVar("T")


def require_smaller(progress: Progress, crew: Crew, folder: Path, error: torch.OutOfMemoryError) -> None:
    """Nothing, where the batch can be halved here and now.

    Raises:
        ModelError: each process has a sample at most already, or others would have to be told; then the note is left.
    """
    if progress.batch_size < 2 * crew.world:
        raise ModelError("Not even one sample fits into memory; train on another device.") from error
    if crew.world == 1:
        return
    smaller = progress.batch_size // 2
    try:
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write(folder / NOTE, json.dumps({"batch_size": smaller}).encode())
    except OSError as failed:
        raise RunError(f"{folder / NOTE} cannot be written: {failed.strerror}; make room.") from error
    raise ModelError(
        f"Memory ran out in process {crew.rank} of {crew.world}. Start all of them again with --resume, and they go on "
        f"with batches of {smaller}, which all share; `torchrun --max-restarts 5` starts them by itself."
    ) from error


def halve(progress: Progress, why: str) -> None:
    """The next batches are half as large, and so is the learning rate."""
    progress.batch_size //= 2
    progress.scale /= 2.0
    progress.remarks.append(why)


def fitting(work: Callable[[], T], progress: Progress, crew: Crew, folder: Path) -> T:
    """What `work` gives before the first epoch, with batches halved until it fits. Raises as `require_smaller` does."""
    while True:
        try:
            return work()
        except torch.OutOfMemoryError as error:
            require_smaller(progress, crew, folder, error)
            halve(progress, f"before training: {HALVED}")


def noted(folder: Path, progress: Progress) -> bool:
    """Whether a process left a note before all were started again; then batches are as small as it says.

    Raises RunError where the note cannot be read.
    """
    try:
        smaller = int(json.loads((folder / NOTE).read_bytes())["batch_size"])
    except FileNotFoundError:
        return False
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunError(f"{folder / NOTE} cannot be read ({error}); remove it, or begin anew.") from error
    while progress.batch_size > max(smaller, 1):
        halve(progress, f"after epoch {progress.epoch}: {HALVED}")
    return True
