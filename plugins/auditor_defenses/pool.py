"""Training with a growing pool of pre-made examples: Szegedy et al., arXiv:1312.6199, section 4."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.defense import Recipe
from auditor.parameters import parameter
from auditor_defenses._losses import wrong

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.harden.trainee import Trainee
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat


@dataclass(frozen=True, kw_only=True)
class Pool(Recipe):
    """Keeps a pool of pre-made examples, adds to it again and again, and mixes draws from it into each batch.

    A share of all samples is attacked, whole batches at a time (of a quarter every fourth, since four small passes cost
    more than a full one); what comes out joins the pool and, once that is full, takes the place of its oldest members,
    so that none lags far behind the network.

    Helps: clean accuracy, which was the paper's aim, and against attacks made for other networks.
    Blind to: attacks made for the final network: most examples were made for weights that have moved since.
    Cost: `share * steps` forward and backward passes and 2 for the mixture, for every one of ordinary training;
        memory for `size` samples.
    Use it when: examples are dear, as on a slow model; else `pgd` makes new ones for every batch.
    """

    name: ClassVar[str] = "pool"
    paper: ClassVar[str] = "arXiv:1312.6199"
    within: ClassVar[bool] = False

    size: int = parameter(1000, help="examples in the pool once it is full", low=1, high=10_000_000)
    share: float = parameter(0.25, help="share of the samples that are attacked anew", low=0.0, high=1.0)
    steps: int = parameter(10, help="gradient steps to an example", low=1, high=1000)
    step_size: float = parameter(0.25, help="length of a step in units of eps", low=0.0, high=4.0)

    def perturb(self, trainee: Trainee, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        whole = trainee.whole or len(x)
        share = max(self.share, 1.0 / whole)
        every = int(1.0 / share)
        if not trainee.memory or trainee.step % every == 0:
            self._grow(trainee, x, y, threat, rng, min(max(1, round(share * every * whole)), self.size))
        pool = min(int(trainee.memory["made"]), self.size)
        # Streams of their own: a process without a row to attack has drawn nothing yet.
        drawn = rng.fork("drawn").integers(pool)
        trainee.memory["drawn"] = drawn
        return trainee.memory["examples"][drawn]

    def loss(self, trainee: Trainee, x: Images, adversarial: Images, y: Labels, threat: Threat, rng: Rng) -> Tensor:
        labels = torch.cat([y, trainee.memory["labels"][trainee.memory["drawn"]]])
        return trainee.cross_entropy(trainee(torch.cat([x, adversarial])), labels)

    def _grow(self, trainee: Trainee, x: Images, y: Labels, threat: Threat, rng: Rng, count: int) -> None:
        """Attack the first `count` samples of the batch. Several processes keep one pool: each attacks its rows, and
        gets those of the others."""
        fresh = torch.arange(trainee.crew.part(count), device=x.device)
        few, labels = x[fresh], y[fresh]
        if len(few):
            own = rng.select(fresh)
            few = trainee.climb(few, wrong(labels), threat, own, steps=self.steps, step_size=self.step_size)
        made, labels = (trainee.crew.rows(part, count) for part in (few, labels))
        self._join(trainee.memory, made, labels)

    def _join(self, memory: dict[str, Tensor], made: Images, labels: Labels) -> None:
        """Put examples into the pool, over its oldest ones where it is full."""
        if "made" not in memory:
            memory["made"] = torch.zeros((), dtype=torch.int64)
            memory["examples"] = made.new_zeros(self.size, *made.shape[1:])
            memory["labels"] = labels.new_zeros(self.size)
        slots = (torch.arange(len(made), device=made.device) + int(memory["made"])) % self.size
        memory["examples"][slots], memory["labels"][slots] = made, labels
        memory["made"] += len(made)
