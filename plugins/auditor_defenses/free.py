"""Adversarial training for free: Shafahi et al., arXiv:1904.12843."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.defense import Recipe, Training
from auditor.parameters import parameter

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.harden.trainee import Trainee
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat


@dataclass(frozen=True, kw_only=True)
class Free(Recipe):
    """Learns from each batch several times in a row; each backward pass moves the weights and the examples at once.

    The perturbation goes on from batch to batch: what was learned about one sample starts the next.

    Helps: much as `pgd` of as many steps as `replays`, for the price of ordinary training.
    Blind to: large budgets: a perturbation is never fully fitted to its sample. Many replays in a row let the
        network forget the other batches.
    Cost: none beyond the passes of training; an epoch is `replays` updates to a batch, so fewer epochs are needed.
    Use it when: passes are dear and the data set is large enough for every batch to be seen in a few epochs.
    """

    name: ClassVar[str] = "free"
    paper: ClassVar[str] = "arXiv:1904.12843"
    training: ClassVar[Training] = Training(epochs=20, lr=5e-3, average=0.98)

    replays: int = parameter(4, help="updates to a batch (the paper's m)", low=1, high=100)
    step_size: float = parameter(1.0, help="length of a step in units of eps", low=0.0, high=4.0)

    @property
    def updates(self) -> int:
        return self.replays

    def perturb(self, trainee: Trainee, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        point = x.clone()
        delta = trainee.memory.get("delta")
        if delta is not None:
            point[: len(delta)] += delta[: len(x)]
        # It was held to the budget when it was made, and the box takes nothing but length from it.
        return point.clamp_(0.0, 1.0).requires_grad_()

    def loss(self, trainee: Trainee, x: Images, adversarial: Images, y: Labels, threat: Threat, rng: Rng) -> Tensor:
        return trainee.cross_entropy(trainee(adversarial), y)

    def after_backward(
        self, trainee: Trainee, x: Images, adversarial: Images, y: Labels, threat: Threat, rng: Rng
    ) -> None:
        slope = torch.zeros_like(x) if adversarial.grad is None else adversarial.grad
        point = trainee.ball(x, threat).climb(adversarial.detach(), slope, self.step_size * threat.eps)
        trainee.memory["delta"] = point.sub_(x)
