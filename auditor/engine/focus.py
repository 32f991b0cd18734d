"""Where passes pay: on the samples that came close, and with the kind of attack that found something lately."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from auditor.engine.suites import ALL, BLIND, BORDER, MUTE, PAYING
from auditor.result.record import UNPAID
from auditor.types import Access

if TYPE_CHECKING:
    from auditor.engine.memory import Memory
    from auditor.engine.nearest import Nearest
    from auditor.engine.plan import Step
    from auditor.engine.standing import Standing
    from auditor.result.record import AttackRun

# Of the samples that fall late nearly all had lost this share of their margin after the first short attacks; see
# docs/explanation/suites.md for where that was measured.
_CLOSE = 0.8
_SHARE = 1 / 4
_BORDER, _BORDER_SHARE = 0.85, 1 / 10
_PAYS = 0.05
WHOLE = (ALL, BLIND, MUTE)


@dataclass
class Focus:
    """Which standing samples a step attacks. `close`: all that lost most of their margin, and never fewer than a
    quarter. `border`: those that lost nearly all of it, and never fewer than a tenth.

    Where gradients are masked, margins tell little of what will fall. It shows: samples fall that had not come close.
    Then the next step looks at twice as many, and at half as many again once nothing falls but what was close.
    """

    _share: float = _SHARE
    _ranks: dict[int, float] = field(default_factory=dict)
    _focused: bool = False

    def choose(self, among: str, standing: np.ndarray, memory: Memory | Nearest, most: float = math.inf) -> np.ndarray:
        """The samples to attack, ascending; at most so many, the closest first."""
        share, close = (_BORDER_SHARE, _BORDER) if among == BORDER else (self._share, _CLOSE)
        eaten = memory.eaten(standing)
        count = max(math.ceil(share * len(standing)), int((eaten >= close).sum()))
        count = len(standing) if among in WHOLE else count
        chosen = np.argsort(-eaten, kind="stable")[: int(min(count, most))]
        self._focused = among not in (*WHOLE, BORDER)
        self._ranks = {int(standing[at]): rank / len(standing) for rank, at in enumerate(chosen.tolist())}
        return np.sort(standing[chosen])

    def learn(self, standing: Standing) -> None:
        """After a step: widen the view where samples fell that were far down the list, narrow it where none did."""
        fell = [rank for index, rank in self._ranks.items() if index in standing.broken_by]
        far = sum(rank > 0.5 * self._share for rank in fell)
        if self._focused and far > max(1, 0.25 * len(fell)):
            self._share = min(1.0, 2.0 * self._share)
        elif self._focused:
            self._share = max(_SHARE, 0.5 * self._share)
        self._ranks = {}


def unpaid(step: Step, runs: list[AttackRun]) -> str:
    """Why a step that runs only where it pays does not run; empty where it does."""
    seen = {run.access for run in runs if run.attacked}
    if step.among == MUTE and seen & {Access.GRADIENTS, Access.SCORES}:
        return f"scores find more for fewer passes, {UNPAID}"
    if step.among not in (PAYING, BLIND) or Access.GRADIENTS not in seen:
        return ""
    if step.among == BLIND:
        return f"gradients find more for fewer passes, {UNPAID}"
    ran = [run for run in runs if run.status == "ran" and run.attack == step.attack.name]
    if ran and ran[-1].broken > max(1, _PAYS * ran[-1].attacked):
        return ""
    told = f"{ran[-1].name} broke {ran[-1].broken} of {ran[-1].attacked}" if ran else "none of its kind ran before"
    return f"{told}, {UNPAID}"
