"""Cascades on small targets, as the engine sets them up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from auditor import Access, Attack, Norm, Rng, Threat, View, margins, parameter
from auditor.engine.attempt import Ring
from auditor.engine.batches import Batches
from auditor.engine.cascade import Cascade
from auditor.engine.memory import Memory
from auditor.engine.plan import Step, make_plan
from auditor.engine.standing import Clean, Standing
from auditor.engine.store import Store
from auditor.events import Event

VALUES = [0.10, 0.45, 0.47, 0.55, 0.58, 0.90]
"""Distances to the boundary at one half: 0.40, 0.05, 0.03, 0.05, 0.08, 0.40."""


@dataclass(frozen=True, kw_only=True)
class Shift(Attack):
    """Moves every pixel by `size` towards the other class."""

    name: ClassVar[str] = "shift"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF})
    access: ClassVar[Access] = Access.SCORES
    size: float = parameter(0.04, help="how far")

    def perturb(self, target: View, x: Tensor, y: Tensor, threat: Threat, rng: Rng) -> Tensor:
        return x + self.size * (1.0 - 2.0 * y).view(-1, 1, 1, 1)


class Scene:
    """The samples of one target under one threat, and a store, for a cascade to run on."""

    def __init__(self, target: Any, samples: Any, run: Path, **ring: Any) -> None:
        self.target, self.samples = target, samples
        self.store = Store(run)
        self.events: list[Event] = []
        self.ring = Ring(
            target=target, threat=ring.pop("threat", Threat(norm=Norm.LINF, eps=0.1)), seed=0, margin=0.0, **ring
        )
        answers = target.answer(samples.fetch(range(len(samples))))
        labels = samples.labels.numpy()
        margin = margins(answers, samples.labels).numpy()
        self.memory = Memory(run / "state" / "closest", margin)
        self.standing = Standing(Clean(labels, answers.argmax(1).numpy(), np.ones(len(labels)), margin))

    def run(self, *attacks: Attack, batch_size: int = 4) -> Any:
        return self.follow(make_plan(attacks, self.target, self.ring.threat, 3), batch_size)

    def follow(self, plan: tuple[Step, ...], batch_size: int = 4, listen: Callable[[Event], None] | None = None) -> Any:
        return Cascade(self.batches(batch_size, listen), listen or self.events.append).run(plan)

    def batches(self, batch_size: int = 4, listen: Callable[[Event], None] | None = None) -> Batches:
        return Batches(
            ring=self.ring,
            samples=self.samples,
            labels=self.samples.labels,
            store=self.store,
            batch_size=batch_size,
            listen=listen or self.events.append,
            memory=self.memory,
            standing=self.standing,
        )

    @property
    def outcomes(self) -> list[str]:
        return [self.standing.outcome(i) for i in range(len(self.samples))]
