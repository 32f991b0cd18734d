"""Where passes pay: on the samples that came close, and with the kind of attack that found something lately."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from auditor.types import Access

if TYPE_CHECKING:
    from auditor.engine.memory import Memory
    from auditor.engine.plan import Step
    from auditor.engine.standing import Standing
    from auditor.result.record import AttackRun

# Of the samples that fall late nearly all had lost this share of their margin after the first short attacks; see
# docs/explanation/suites.md for where that was measured.
_CLOSE = 0.6
_SHARE = 1 / 3
_PAYS = 0.005


@dataclass
class Focus:
    """Which standing samples a focused step attacks: all that lost most of their margin, and never fewer than a third.

    Where gradients are masked, margins tell little of what will fall. It shows: samples fall that had not come close.
    Then the next step looks at twice as many.
    """

    _share: float = _SHARE
    _ranks: dict[int, float] = field(default_factory=dict)

    def choose(self, standing: np.ndarray, memory: Memory) -> np.ndarray:
        """The samples to attack, ascending."""
        eaten = memory.eaten(standing)
        order = np.argsort(-eaten, kind="stable")
        count = max(math.ceil(self._share * len(standing)), int((eaten >= _CLOSE).sum()))
        chosen = order[:count]
        self._ranks = {int(standing[at]): rank / len(standing) for rank, at in enumerate(chosen.tolist())}
        return np.sort(standing[chosen])

    def learn(self, attacked: np.ndarray, standing: Standing) -> None:
        """After a step: widen the view where samples fell that were far down the list."""
        fell = [rank for index, rank in self._ranks.items() if index in standing.broken_by]
        if any(rank > 0.5 * self._share for rank in fell):
            self._share = min(1.0, 2.0 * self._share)
        self._ranks = {}


def unpaid(step: Step, runs: list[AttackRun], standing: int) -> str:
    """Why a step that is to run only where its kind pays does not run; empty where it does."""
    if not step.paying:
        return ""
    ran = [run for run in runs if run.status == "ran" and run.attack == step.attack.name]
    blind = not any(run.access == Access.GRADIENTS and run.attacked for run in runs)
    if blind or (ran and ran[-1].broken > max(1, _PAYS * ran[-1].attacked)):
        return ""
    if not ran:
        return f"no {step.attack.name} ran before it"
    return f"{ran[-1].name} broke {ran[-1].broken} of {ran[-1].attacked} samples, so more of its kind would not pay"
