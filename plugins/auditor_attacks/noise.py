"""Random noise: the floor that every attack must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.attack import Attack, Passes
from auditor.norms import per_sample
from auditor.parameters import parameter
from auditor.steps import Ball
from auditor.types import Access, Norm

if TYPE_CHECKING:
    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat


@dataclass(frozen=True, kw_only=True)
class Noise(Attack):
    """Adds random noise: uniform in the ball and Gaussian by turns, or one of them.

    Finds: models that break without an adversary; an attack that finds less than noise does not work.
    Blind to: everything that takes a direction.
    Cost: `draws` forward passes.
    Use it when: a floor is wanted, below which no attack is worth its name.
    """

    name: ClassVar[str] = "noise"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF, Norm.L2, Norm.L1})
    access: ClassVar[Access] = Access.LABELS

    draws: int = parameter(10, help="noisy copies tried per sample", low=1, high=1_000_000)
    distribution: str = parameter("both", help="what the noise is drawn from", choices=("both", "uniform", "gaussian"))

    def passes(self, num_classes: int) -> Passes:
        return Passes(forwards=self.draws)

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        ball = Ball(x, threat.norm, threat.eps)
        draw = {
            "both": (ball.uniform, ball.gaussian),
            "uniform": (ball.uniform,),
            "gaussian": (ball.gaussian,),
        }[self.distribution]
        candidate = x
        for i in range(self.draws):
            # The engine judges the copy that is returned, so the last one costs no pass here.
            fooled = target.labels(candidate) != y if i else torch.zeros_like(y, dtype=torch.bool)
            candidate = torch.where(per_sample(fooled, x), candidate, draw[i % len(draw)](rng))
        return candidate
