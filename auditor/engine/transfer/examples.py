"""One source's examples, made batch by batch and kept on disk until every target has answered them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from auditor.engine.attempt import Ring
from auditor.engine.store import batch_key
from auditor.engine.transfer.craft import craft
from auditor.engine.transfer.setups import step_for
from auditor.errors import AuditorError, RunError
from auditor.events import Event, Progress, StageStarted
from auditor.result.evidence import Shard, read_adversarial, transfer_folder, write_shard
from auditor.result.transfer import TransferSource

if TYPE_CHECKING:
    from auditor.engine.standing import Clean
    from auditor.engine.store import Store
    from auditor.engine.transfer.craft import Crafted
    from auditor.engine.transfer.setups import Setup
    from auditor.samples.base import Samples
    from auditor.target.base import Target


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Where examples are made and tried: the samples, the run's memory, and until when."""

    samples: Samples
    store: Store
    seed: int
    batch_size: int
    listen: Callable[[Event], None]

    def chunks(self, among: np.ndarray) -> Iterator[np.ndarray]:
        """Positions in batches."""
        return (among[start : start + self.batch_size] for start in range(0, len(among), self.batch_size))


@dataclass(frozen=True)
class Part:
    """A batch of examples: its file, the positions of its samples, and what its own source says of each example."""

    path: Path
    index: np.ndarray
    said: np.ndarray
    reached: np.ndarray
    seconds: float
    """That the source took to say it."""


@dataclass(frozen=True)
class Examples:
    """What one source gave for one setup."""

    record: TransferSource
    parts: tuple[Part, ...] = ()

    @property
    def done(self) -> bool:
        """Whether there is an example for every sample that was to have one."""
        return self.record.status == "ran"

    def column(self, name: Literal["index", "said", "reached"]) -> np.ndarray:
        """A column of all parts."""
        kind = {"index": np.int64, "said": np.int64, "reached": np.bool_}[name]
        return np.concatenate([np.zeros(0, kind), *(getattr(part, name) for part in self.parts)])


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """Makes the examples of one source, which is loaded. `identity` is what decides how it answers."""

    bench: Bench
    target: Target
    clean: Clean
    members: tuple[str, ...]
    identity: tuple[Any, ...]

    def make(self, setup: Setup, among: np.ndarray, deadline: float) -> Examples:
        """Examples for the samples at positions `among`; what was made before an interruption is made no more."""
        begun = TransferSource(name=self.target.name, members=self.members, status="ran")
        step = step_for(setup, self.target, len(self.bench.samples.shape))
        if why := step.skip or step.broken:
            return Examples(begun.model_copy(update={"status": "failed", "reason": why}))
        parts: list[Part] = []
        count, total = 0, len(among) * setup.forwards
        self.bench.listen(StageStarted(model=self.target.name, title=setup.title, total=total))
        for chunk in self.bench.chunks(among):
            known = self._made(setup, chunk, deadline)
            begun = _added(begun, known)
            if known["status"] != "ran":
                return Examples(begun)
            if known["index"]:
                parts.append(self._part(known))
            count += len(chunk) * setup.forwards
            fell = sum(int(part.reached.sum()) for part in parts)
            self.bench.listen(Progress(model=self.target.name, done=count, total=total, broken=fell))
        return Examples(begun, tuple(parts))

    def _made(self, setup: Setup, chunk: np.ndarray, deadline: float) -> dict[str, Any]:
        store = self.bench.store
        key = batch_key("transfer", *self.identity, *_named(setup), self.bench.seed, chunk.tolist())
        place = self._place(setup, chunk, key)
        known = store.get(key)
        if known is not None and (place.is_file() or not known["index"]):
            return known
        if time.monotonic() > deadline:
            return {"status": "timed out", "reason": "the time limit was reached", "index": []}
        try:
            known = self._craft(setup, chunk, deadline, place)
        except RunError:
            raise
        except AuditorError as error:
            return {"status": "failed", "reason": str(error), "index": []}
        if known["status"] == "ran":
            store.put(key, known)
        return known

    def _craft(self, setup: Setup, chunk: np.ndarray, deadline: float, place: Path) -> dict[str, Any]:
        ring = Ring(
            target=self.target,
            threat=setup.threat,
            seed=self.bench.seed,
            margin=0.0,
            draws=self.target.draws,
            deadline=deadline,
        )
        made = self._within_memory(ring, setup, chunk)
        rows = made.sound.nonzero().squeeze(1)
        known: dict[str, Any] = {
            "status": made.status,
            "reason": made.reason,
            "file": place.relative_to(self.bench.store.run).as_posix(),
            "index": chunk[rows.numpy()].tolist(),
            "forwards": made.forwards,
            "backwards": made.backwards,
            "seconds": made.seconds,
        }
        if made.status == "ran" and len(rows):
            started = time.perf_counter()
            answer = self.target.judged(made.images[rows].to(self.target.device))
            known["said"] = answer.argmax(1).tolist()
            known["reached"] = self.clean.aims(chunk[rows.numpy()], answer.device).reached(answer).tolist()
            known["answered"] = time.perf_counter() - started
            self._keep(made, rows, chunk, place)
        return known

    def _within_memory(self, ring: Ring, setup: Setup, chunk: np.ndarray) -> Crafted:
        """Examples for a batch; where memory runs out, in halves."""
        device = self.target.device
        try:
            x = self.bench.samples.fetch(chunk.tolist()).to(device)
            return craft(ring, setup.attack, x, self.clean.aims(chunk, device), torch.from_numpy(chunk))
        except torch.OutOfMemoryError:
            if len(chunk) == 1:
                raise
        half = len(chunk) // 2
        first, second = (self._within_memory(ring, setup, part) for part in (chunk[:half], chunk[half:]))
        return first.joined(second)

    def _keep(self, made: Crafted, rows: torch.Tensor, chunk: np.ndarray, place: Path) -> None:
        index = chunk[rows.numpy()]
        original = self.bench.samples.fetch(index.tolist()).numpy()
        shard = Shard(index, self.clean.labels[index], original, made.images[rows].numpy())
        try:
            write_shard(place, shard, eight_bit=self.bench.store.eight_bit)
        except OSError as error:
            raise RunError(f"{place} cannot be written ({error.strerror}); make room, then --resume.") from error

    def _place(self, setup: Setup, chunk: np.ndarray, key: str) -> Path:
        threat = setup.threat
        folder = transfer_folder(self.bench.store.run, self.target.name, threat.norm, threat.eps, setup.name)
        # Names that differ may be the same as file names; keys never are.
        return folder / f"{int(chunk[0]):08d}-{key[:8]}.safetensors"

    def _part(self, known: dict[str, Any]) -> Part:
        index, said = (np.array(known[name], np.int64) for name in ("index", "said"))
        path = self.bench.store.run / known["file"]
        return Part(path, index, said, np.array(known["reached"], bool), known["answered"])


def images_of(part: Part, rows: np.ndarray) -> torch.Tensor:
    """Some of the examples of a batch, `(n, …)`. Raises RunError for a file that is damaged."""
    index, images = read_adversarial(part.path)
    if not np.array_equal(index, part.index) or len(images) != len(index):
        raise RunError(f"{part.path} holds other examples than were made; scan again.")
    return torch.from_numpy(images if len(rows) == len(images) else images[rows])


def _named(setup: Setup) -> tuple[Any, ...]:
    threat = setup.threat
    return (str(threat), str(threat.goal), threat.target, setup.name, setup.parameters)


def _added(record: TransferSource, known: dict[str, Any]) -> TransferSource:
    return record.model_copy(
        update={
            "status": known["status"],
            "reason": known["reason"],
            "attacked": record.attacked + len(known["index"]),
            "seconds": record.seconds + known.get("seconds", 0.0),
            "forwards": record.forwards + known.get("forwards", 0),
            "backwards": record.backwards + known.get("backwards", 0),
        }
    )
