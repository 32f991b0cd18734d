"""Training with one step from noise: Wong et al., arXiv:2001.03994; the cure of de Jorge et al., arXiv:2202.01181."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from auditor.defense import Recipe
from auditor.parameters import parameter
from auditor.steps import Ball, ascent
from auditor.types import Norm
from auditor_defenses._losses import wrong

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.harden.trainee import Trainee
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat


@dataclass(frozen=True, kw_only=True)
class Fast(Recipe):
    """Learns from one gradient step that starts at a noisy sample and is not cut back to the ball.

    One step from noise within the ball (Wong et al.) may collapse: the model withstands that step and nothing else.
    Noise beyond the ball, with no projection after the step (N-FGSM), is the cure that costs nothing.

    Helps: as `pgd` does, for a fraction of the time, where the budget is moderate.
    Blind to: large budgets, where a single step is no guide, and where more `noise` costs clean accuracy.
    Cost: 1 forward and backward pass for every one of ordinary training.
    Use it when: time is short, or to find out quickly which budget is worth a long run of `pgd` or `trades`.
    """

    name: ClassVar[str] = "fast"
    paper: ClassVar[str] = "arXiv:2202.01181"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF, Norm.L2})
    single_step: ClassVar[bool] = True
    within: ClassVar[bool] = False

    noise: float = parameter(1.0, help="radius of the noise in units of eps", low=0.0, high=10.0)
    step_size: float = parameter(1.0, help="length of the step in units of eps", low=0.0, high=4.0)

    def perturb(self, trainee: Trainee, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        noisy = Ball(x, threat.norm, self.noise * threat.eps).uniform(rng)
        step = ascent(trainee.gradient(noisy, wrong(y)), threat.norm, self.step_size * threat.eps)
        return step.add_(noisy).clamp_(0.0, 1.0)

    def loss(self, trainee: Trainee, x: Images, adversarial: Images, y: Labels, threat: Threat, rng: Rng) -> Tensor:
        return trainee.cross_entropy(trainee(adversarial), y)
