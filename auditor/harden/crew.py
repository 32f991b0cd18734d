"""Processes that train one network together, as `torchrun` starts them: each learns from its part of every batch.

What they tell each other goes through torch.distributed (docs/decisions/0010-processes-share-a-batch.md).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from auditor.errors import RunError, UsageError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

PATIENCE = timedelta(minutes=10)
"""How long one process waits for another before it gives up."""

_STARTED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_RESTARTS = "TORCHELASTIC_RESTART_COUNT"


@dataclass(frozen=True)
class Crew:
    """Process `rank` of `world`, counted from 0. Where it is alone, all that would be exchanged stays as it is.

    All processes of a crew have to call the same methods in the same order.
    """

    rank: int = 0
    world: int = 1

    def add(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by its sum over all processes."""
        parts = list(tensors)
        if self.world == 1 or not parts:
            return
        import torch
        from torch import distributed

        whole = torch.cat([part.flatten() for part in parts])
        with _talking():
            distributed.all_reduce(whole)
        for part, total in zip(parts, torch.split(whole, [part.numel() for part in parts]), strict=True):
            part.copy_(total.view_as(part))

    def total(self, tensor: Tensor) -> Tensor:
        """The sum of a tensor over all processes."""
        if self.world == 1:
            return tensor
        whole = tensor.clone()
        self.add([whole])
        return whole

    def same(self, value: float) -> float:
        """What the first process has here: measured times differ, and decisions must not."""
        if self.world == 1:
            return value
        import torch
        from torch import distributed

        told = torch.tensor(value, dtype=torch.float64)
        with _talking():
            distributed.broadcast(told, 0)
        return float(told)

    def part(self, count: int) -> int:
        """How many of the first `count` rows of a batch are in this process."""
        return len(range(self.rank, count, self.world))

    def rows(self, mine: Tensor, count: int) -> Tensor:
        """The first `count` rows of the batch from all processes, in its order; `mine` are those of this process."""
        if self.world == 1:
            return mine
        import torch
        from torch import distributed

        padded = mine.new_zeros(-(-count // self.world), *mine.shape[1:])
        padded[: len(mine)] = mine
        everyones = [torch.empty_like(padded) for _ in range(self.world)]
        with _talking():
            distributed.all_gather(everyones, padded)
        return torch.stack(everyones, 1).flatten(0, 1)[:count]

    def gathered(self, memory: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
        """What each process remembers, by rank; only the first process gets it."""
        if self.world == 1:
            return [dict(memory)]
        from torch import distributed

        got: list[Any] = [None] * self.world
        with _talking():
            mine = {name: value.cpu() for name, value in memory.items()}
            distributed.gather_object(mine, got if self.rank == 0 else None)
        return got

    def wait(self) -> None:
        """Until all processes are here."""
        self.same(0.0)


def rank_here() -> int:
    """Which of the processes that were started together this one is. Raises UsageError."""
    return _number("RANK") if _world() > 1 else 0


def _world() -> int:
    return _number("WORLD_SIZE") if all(name in os.environ for name in _STARTED) else 1


def _number(name: str) -> int:
    try:
        return int(os.environ.get(name, "0"))
    except ValueError:
        raise UsageError(
            f"The environment says {name}={os.environ[name]!r}, which is no whole number: start processes with "
            "torchrun, or unset it to train in one."
        ) from None


def restarted() -> bool:
    """Whether `torchrun --max-restarts` started all processes anew after one of them ended. Raises UsageError."""
    return _number(_RESTARTS) > 0


def own_device(device: torch.device) -> torch.device:
    """The device of this process: of several CUDA devices each process of a host takes its own. Raises UsageError."""
    import torch

    if _world() == 1 or device.type != "cuda":
        return device
    local, there = _number("LOCAL_RANK"), torch.cuda.device_count()
    if device.index is not None or local >= there:
        raise UsageError(
            f"Each process takes a CUDA device of its own, and here are {there}: start as many processes at most, and "
            "say --device cuda or leave it out."
        )
    return torch.device("cuda", local)


@contextmanager
def joined() -> Iterator[Crew]:
    """The processes that were started with this one, connected; by itself it is alone.

    Raises:
        RunError: others cannot be reached, or end while they are waited for.
        UsageError: the environment does not say which process of how many this is.
    """
    if _world() == 1:
        yield Crew()
        return
    import torch
    from torch import distributed
    from torch.distributed.rendezvous import rendezvous

    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    rank, world = rank_here(), _world()
    with _talking():
        store, _, _ = next(rendezvous("env://", rank, world, timeout=PATIENCE))
        # torchrun keeps the store from one start to the next, and in it the addresses of processes that are no more.
        anew = distributed.PrefixStore(f"start {_number(_RESTARTS)}", store)  # type: ignore[attr-defined]
        distributed.init_process_group(backend, store=anew, timeout=PATIENCE, rank=rank, world_size=world)
    yield Crew(distributed.get_rank(), distributed.get_world_size())
    distributed.destroy_process_group()  # After a failure it would wait for those that are no more.


@contextmanager
def _talking() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, ValueError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise RunError(
            f"Process {rank_here()} of {_world()} lost the others, of which one ended or cannot be reached ({first}). "
            "What the others said comes first; then start all of them again with --resume."
        ) from error
