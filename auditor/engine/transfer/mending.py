"""What examples of other models showed to fall is a place to search on from: steps along the model's own gradients.

Where those broke many samples that the model's own attacks had left, the others may stand for the same reason.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from auditor.engine.attempt import Ring, attempt
from auditor.engine.batches import Tally, recorded
from auditor.engine.plan import make_plan
from auditor.engine.standing import Break
from auditor.engine.transfer.examples import images_of
from auditor.result.evidence import Shard
from auditor.result.record import OVERSPENT

if TYPE_CHECKING:
    from auditor.attack import Attack
    from auditor.engine.attempt import Attempt
    from auditor.engine.done import Done
    from auditor.engine.plan import Step
    from auditor.engine.transfer.examples import Examples, Part
    from auditor.engine.transfer.tried import Jury
    from auditor.result.record import AttackRun

_STEPS, _ROUNDS = 40, 3


@dataclass(frozen=True)
class SearchOn:
    """From the examples that others made (`sources`), against the loaded model, on samples that stand under a threat.

    Attributes:
        own: the threat, and what is known of every sample; what falls is noted there.
        budget: passes that may be spent on all samples, those of all earlier attacks included.
        because: the code of the check in whose name it is done.
    """

    jury: Jury
    own: Done
    sources: Sequence[Examples]
    make: Callable[[str, Mapping[str, Any]], Attack]
    budget: float
    because: str

    def rounds(self, few: float) -> Iterator[tuple[AttackRun, list[Shard]]]:
        """Climb the margin, with twice the steps each time, until a round breaks at most `few`, or is cut short, which
        its reason says; each with the evidence of what it broke."""
        steps = _STEPS
        for _ in range(_ROUNDS):
            run, shards = self._round(steps)
            self.own.runs.append(run)
            yield run, shards
            if run.reason or run.broken <= few:
                return
            steps *= 2

    def _round(self, steps: int) -> tuple[AttackRun, list[Shard]]:
        attack = self.make("apgd", {"loss": "margin", "steps": steps, "start": "closest"})
        (step,) = make_plan([attack], self.jury.target, self.own.threat, len(self.jury.bench.samples.shape))
        name = f"{step.name} from examples of others, {steps} steps"
        left = self.budget - sum(run.passes for run in self.own.runs)
        tally, shards, looked = Tally(reason=step.skip or step.broken), list[Shard](), set[int]()
        for part in (part for source in self.sources for part in source.parts):
            rows = np.flatnonzero(np.isin(part.index, self.own.standing.standing()))
            left -= len(rows) * (step.forwards + step.backwards) * self.jury.target.draws
            tally.reason = tally.reason or (OVERSPENT if left < 0 else "")
            if tally.reason:
                tally.status = "ran" if looked else "skipped"
                break
            if not len(rows):
                continue
            outcome = self._climbed(step, part, rows)
            found = self._noted(name, part.index[rows], outcome)
            shards += found
            looked.update(part.index[rows].tolist())
            tally.attacked = len(looked)
            tally.broken += sum(len(shard.index) for shard in found)
            tally.forwards, tally.backwards = tally.forwards + outcome.forwards, tally.backwards + outcome.backwards
            tally.seconds += outcome.seconds
            if outcome.status != "ran":
                tally.status, tally.reason = outcome.status, outcome.reason
                break
        return recorded(step, tally, self.because).model_copy(update={"name": name}), shards

    def _climbed(self, step: Step, part: Part, rows: np.ndarray) -> Attempt:
        """One climb from these examples."""
        jury, own = self.jury, self.own
        index, device = part.index[rows], jury.target.device
        ring = Ring(
            target=jury.target,
            threat=own.threat,
            seed=jury.bench.seed,
            margin=0.0,
            draws=jury.target.draws,
            deadline=jury.deadline,
        )
        x = jury.bench.samples.fetch(index.tolist()).to(device)
        start = images_of(part, rows).to(device)
        nothing = torch.full((len(rows),), -math.inf, device=device)
        aims = jury.contender.clean.aims(index, device)
        return attempt(ring, step, x, aims, torch.from_numpy(index), (start, nothing))

    def _noted(self, name: str, index: np.ndarray, outcome: Attempt) -> list[Shard]:
        """Count what an attempt broke; the evidence of it."""
        found, jury = outcome.found, self.jury
        at = index[found.rows.numpy()]
        sure = found.judgement
        columns = (torch.from_numpy(at), sure.prediction, sure.confidence, sure.distance, sure.survives_rounding)
        breaks = [Break(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]
        self.own.standing.note(name, breaks)
        if not breaks:
            return []
        x = jury.bench.samples.fetch(at.tolist()).numpy()
        points = None if self.own.threat.plain else found.points.numpy()
        return [Shard(at, jury.contender.clean.labels[at], x, found.adversarial.numpy(), points)]
