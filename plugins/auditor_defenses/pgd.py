"""Adversarial training with projected gradient descent: Madry et al., arXiv:1706.06083."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from torch.nn import functional

from auditor.defense import Recipe
from auditor.parameters import parameter

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.harden.trainee import Trainee
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat


@dataclass(frozen=True, kw_only=True)
class PGDTraining(Recipe):
    """Learns from the worst examples that projected gradient ascent finds: the saddle point, and nothing else.

    Helps: against every attack within the same norm and budget; it is what other recipes are measured against.
    Blind to: other norms and larger budgets, and clean accuracy, which it never looks at.
    Cost: `steps` forward and backward passes for every one of ordinary training.
    Use it when: robustness counts most, and as the reference that another recipe has to beat.
    """

    name: ClassVar[str] = "pgd"
    paper: ClassVar[str] = "arXiv:1706.06083"

    steps: int = parameter(10, help="gradient steps to an example", low=1, high=1000)
    step_size: float = parameter(0.25, help="length of a step in units of eps", low=0.0, high=4.0)

    def perturb(self, trainee: Trainee, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        objective = partial(functional.cross_entropy, target=y, reduction="none")
        return trainee.climb(x, objective, threat, rng, steps=self.steps, step_size=self.step_size)

    def loss(self, trainee: Trainee, x: Images, adversarial: Images, y: Labels, threat: Threat, rng: Rng) -> Tensor:
        return trainee.cross_entropy(trainee(adversarial), y)
