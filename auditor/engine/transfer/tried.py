"""What one target says of the examples of others, and of plain noise: one forward pass a sample, as it is deployed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from auditor.engine.store import batch_key
from auditor.engine.transfer.examples import images_of
from auditor.engine.transfer.noise import noisy

if TYPE_CHECKING:
    from auditor.engine.transfer.contender import Contender
    from auditor.engine.transfer.examples import Bench, Examples
    from auditor.engine.transfer.setups import Setup
    from auditor.target.base import Target
    from auditor.types import Images, Threat


@dataclass(frozen=True)
class Answers:
    """Of some samples, by their positions `index`: which of their examples fooled, and the labels given, `(m,)` each.

    `reason` says why there are fewer than were asked for; empty where there are not.
    """

    index: np.ndarray
    fooled: np.ndarray
    label: np.ndarray
    seconds: float = 0.0
    reason: str = ""

    @property
    def rate(self) -> float:
        """The share that was fooled; 0 of nobody."""
        return float(self.fooled.mean()) if len(self.index) else 0.0

    def __and__(self, other: np.ndarray) -> Answers:
        """Of these samples only, among those known."""
        rows = np.isin(self.index, other)
        return Answers(self.index[rows], self.fooled[rows], self.label[rows], self.seconds, self.reason)

    @classmethod
    def of(cls, examples: Examples) -> Answers:
        """What the source of the examples says of them itself."""
        index, fooled, label = (examples.column(name) for name in ("index", "reached", "said"))
        return cls(index, fooled, label, sum(part.seconds for part in examples.parts), examples.record.reason)


@dataclass(frozen=True)
class Jury:
    """One target, which is loaded, and who it is."""

    bench: Bench
    target: Target
    contender: Contender
    deadline: float

    def noise(self, threat: Threat) -> Answers:
        """Of plain noise, on all samples that the target has right."""
        right = np.flatnonzero(self.contender.clean.attackable)

        def shown(chunk: np.ndarray) -> Images:
            x = self.bench.samples.fetch(chunk.tolist()).to(self.target.device)
            return noisy(threat, x, torch.from_numpy(chunk), self.bench.seed)

        return self._gathered(("noise", *_named(threat)), ((chunk, shown) for chunk in self.bench.chunks(right)))

    def examples(self, examples: Examples, setup: Setup, identity: Sequence[Any]) -> Answers:
        """Of what was made on another model, whose `identity` is given, on the samples that both have right."""
        right = self.contender.clean.attackable

        def batches() -> Iterator[tuple[np.ndarray, Callable[[np.ndarray], Images]]]:
            for part in examples.parts:
                rows = np.flatnonzero(right[part.index])
                if len(rows):
                    yield part.index[rows], lambda chunk, part=part, rows=rows: images_of(part, rows)  # type: ignore[misc]

        what = ("examples", *identity, *_named(setup.threat), setup.name, setup.parameters)
        return self._gathered(what, batches())

    def _gathered(
        self, what: Sequence[Any], batches: Iterator[tuple[np.ndarray, Callable[[np.ndarray], Images]]]
    ) -> Answers:
        """Answers to all batches, those from before an interruption remembered."""
        known: list[Mapping[str, Any]] = []
        reason = ""
        for chunk, shown in batches:
            key = batch_key("transfer", *self.contender.identity, *what, self.bench.seed, chunk.tolist())
            value = self.bench.store.get(key)
            if value is None:
                if time.monotonic() > self.deadline:
                    reason = "the time limit was reached"
                    break
                value = self._asked(chunk, shown(chunk))
                self.bench.store.put(key, value)
            known.append({"index": chunk.tolist(), **value})
        index, fooled, label = (
            np.array([row for value in known for row in value[name]], kind)
            for name, kind in (("index", np.int64), ("fooled", bool), ("label", np.int64))
        )
        return Answers(index, fooled, label, sum(value["seconds"] for value in known), reason)

    def _asked(self, chunk: np.ndarray, images: Images) -> dict[str, Any]:
        started = time.perf_counter()
        answer = self.target.judged(images.to(self.target.device))
        fooled = self.contender.clean.aims(chunk, answer.device).reached(answer)
        return {
            "fooled": fooled.tolist(),
            "label": answer.argmax(1).tolist(),
            "seconds": time.perf_counter() - started,
        }


@dataclass
class Heard:
    """All answers of one setup: of every target to every source's examples, and to plain noise."""

    examples: dict[str, Examples] = field(default_factory=dict)
    answers: dict[tuple[str, str], Answers] = field(default_factory=dict)
    noise: dict[str, Answers] = field(default_factory=dict)
    missing: dict[tuple[str, str], str] = field(default_factory=dict)
    """Why there are no answers, by source and target."""


def _named(threat: Threat) -> tuple[Any, ...]:
    return (str(threat), str(threat.goal), threat.target)
