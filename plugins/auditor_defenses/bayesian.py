"""Bayesian adversarial learning: Ye & Zhu, NeurIPS 2018, papers.nips.cc/paper/7921."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.defense import Recipe, Training
from auditor.parameters import parameter
from auditor.steps import Ball, ascent
from auditor.types import Norm
from auditor_defenses._losses import wrong

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.harden.trainee import Trainee
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat

_FRICTION = 0.1
"""What a momentum of 0.9 loses at each update."""


@dataclass(frozen=True, kw_only=True)
class Bayesian(Recipe):
    """Samples weights and adversarial data from their distributions given each other, and averages many weights.

    Examples come from Langevin dynamics within the ball: ascent with noise, not one maximum. Weights come from
    stochastic gradient Hamiltonian Monte Carlo: descent with momentum and noise, whose size the posterior dictates
    (Chen, Fox & Guestrin, arXiv:1402.4102). Weights that the chain passes in its second part are kept, and the model is
    the mean of the probabilities that they give.

    Helps: as `pgd` does, with answers that are less sure where the data leave room for doubt.
    Blind to: its own price. Attacks that know all members (the exported model shows them) gain most of what
        averaging brought; papers that report more attacked one member at a time.
    Cost: `steps` forward and backward passes for every one of ordinary training; the model is `members` times as
        large and as slow.
    Use it when: probabilities have to mean something, and the size of the model does not matter.
    """

    name: ClassVar[str] = "bayesian"
    paper: ClassVar[str] = "nips:2018/7921"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF, Norm.L2})
    training: ClassVar[Training] = Training(optimizer="sgd", lr=0.01, schedule="constant", clip=0.0)

    members: int = parameter(5, help="weights that are kept and averaged", low=1, high=100)
    burn_in: float = parameter(0.5, help="share of the updates before the first weights are kept", low=0.0, high=1.0)
    temperature: float = parameter(
        0.1, help="of the posterior; 0 adds no noise to the weights, 1 is as Bayes has it", low=0.0, high=100.0
    )
    jitter: float = parameter(0.25, help="size of the noise in an example's steps, in steps", low=0.0, high=10.0)
    steps: int = parameter(10, help="noisy gradient steps to an example", low=1, high=1000)
    step_size: float = parameter(0.25, help="length of a step in units of eps", low=0.0, high=4.0)

    def perturb(self, trainee: Trainee, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        ball, length = Ball(x, threat.norm, threat.eps), self.step_size * threat.eps
        # As long as a step in either norm, about.
        scale = 1.0 if threat.norm is Norm.LINF else x[0].numel() ** -0.5
        point = ball.uniform(rng)
        for _ in range(self.steps):
            step = ascent(trainee.gradient(point, wrong(y)), threat.norm, length)
            step += self.jitter * length * scale * rng.normal(*x.shape[1:])
            point = ball.project(step.add_(point))
        return point

    def loss(self, trainee: Trainee, x: Images, adversarial: Images, y: Labels, threat: Threat, rng: Rng) -> Tensor:
        return trainee.cross_entropy(trainee(adversarial), y)

    def after_backward(
        self, trainee: Trainee, x: Images, adversarial: Images, y: Labels, threat: Threat, rng: Rng
    ) -> None:
        deviation = self.deviation(trainee)
        for weight in trainee.weights.values():
            if weight.grad is not None and deviation:
                noise = torch.randn(weight.shape, generator=trainee.generator, device=weight.device)
                weight.grad += deviation * noise
        left = trainee.steps - 1 - trainee.step
        apart = max(1, int((1.0 - self.burn_in) * trainee.steps) // self.members)
        if left % apart == 0 and left // apart < self.members:
            trainee.keep()

    def deviation(self, trainee: Trainee) -> float:
        """Standard deviation of the noise by which descent on the mean loss samples exp(-samples * loss / temperature).

        With velocity v = (1 - friction) v - lr * gradient, the noise in v has variance
        2 * friction * lr * temperature / samples, and enters by way of the gradient. It is 0 at a
        rate of 0: what would be infinite there would stay in the velocity until the rate has grown.
        """
        if not trainee.lr:
            return 0.0
        return math.sqrt(2.0 * _FRICTION * self.temperature / (trainee.lr * trainee.samples))
