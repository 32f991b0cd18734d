"""TRADES: Zhang et al., Theoretically Principled Trade-off between Robustness and Accuracy, arXiv:1901.08573."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.defense import Recipe, Training
from auditor.parameters import parameter
from auditor_defenses._losses import both, divergence

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.harden.trainee import Trainee
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat


@dataclass(frozen=True, kw_only=True)
class TRADES(Recipe):
    """Learns the labels from clean samples, and that answers shall not change within the ball around them.

    The examples are those that move the answer furthest, whatever the label; `beta` trades clean accuracy (low)
    for robustness (high).

    Helps: against every attack within the same norm and budget, with clean accuracy under control.
    Blind to: samples that it gets wrong: their wrong answers are held fast too. Some of what it shows against
        cross-entropy attacks is masking; judge it by margin losses (`apgd-t`) and queries.
    Cost: `steps` forward and backward passes for the examples, 1 forward for the answers, 2 for the loss.
    Use it when: clean accuracy has a price that must be set, or as the first choice beside `pgd`.
    """

    name: ClassVar[str] = "trades"
    paper: ClassVar[str] = "arXiv:1901.08573"
    training: ClassVar[Training] = Training(lr=5e-3, average=0.98)

    beta: float = parameter(6.0, help="weight of staying with the answer (the paper's 1 / lambda)", low=0.0, high=1e3)
    steps: int = parameter(10, help="gradient steps to an example", low=1, high=1000)
    step_size: float = parameter(0.25, help="length of a step in units of eps", low=0.0, high=4.0)

    def perturb(self, trainee: Trainee, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        with torch.no_grad():
            answer = trainee.still(x)
        # At x itself the divergence is at its minimum and has no slope.
        start = x + 1e-3 * rng.normal(*x.shape[1:])
        objective = partial(divergence, reference=answer)
        return trainee.climb(x, objective, threat, rng, steps=self.steps, step_size=self.step_size, start=start)

    def loss(self, trainee: Trainee, x: Images, adversarial: Images, y: Labels, threat: Threat, rng: Rng) -> Tensor:
        clean, attacked = both(trainee, x, adversarial)
        return trainee.cross_entropy(clean, y) + self.beta * divergence(attacked, clean)
