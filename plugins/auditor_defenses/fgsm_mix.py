"""Adversarial training with the fast gradient sign method: Goodfellow, Shlens & Szegedy, arXiv:1412.6572."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from auditor.defense import Recipe
from auditor.parameters import parameter
from auditor_defenses._losses import both, wrong

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.harden.trainee import Trainee
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat


@dataclass(frozen=True, kw_only=True)
class FGSMMix(Recipe):
    """Mixes the loss on clean samples with that on examples of one full step along the sign of the gradient.

    Helps: against that one step, and clean accuracy, which the mixture keeps in sight.
    Blind to: everything that takes more than one step. The model learns to bend the loss where the step ends
        (catastrophic overfitting), so its accuracy under FGSM says nothing.
    Cost: 1 forward and backward pass for the examples, 2 for the mixture, for every one of ordinary training.
    Use it when: the paper's figures are to be had again; to harden a model, take `fast` or `pgd`.
    """

    name: ClassVar[str] = "fgsm-mix"
    paper: ClassVar[str] = "arXiv:1412.6572"
    single_step: ClassVar[bool] = True

    alpha: float = parameter(0.5, help="weight of the loss on clean samples", low=0.0, high=1.0)

    def perturb(self, trainee: Trainee, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        return trainee.climb(x, wrong(y), threat, rng, steps=1, step_size=1.0, start=x)

    def loss(self, trainee: Trainee, x: Images, adversarial: Images, y: Labels, threat: Threat, rng: Rng) -> Tensor:
        clean, attacked = both(trainee, x, adversarial)
        return self.alpha * trainee.cross_entropy(clean, y) + (1.0 - self.alpha) * trainee.cross_entropy(attacked, y)
