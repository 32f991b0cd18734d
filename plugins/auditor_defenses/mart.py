"""MART: Wang et al., Improving Adversarial Robustness Requires Revisiting Misclassified Examples, ICLR 2020."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from auditor.defense import Recipe, Training
from auditor.parameters import parameter
from auditor_defenses._losses import boosted, both, divergence, wrong

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.harden.trainee import Trainee
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat


@dataclass(frozen=True, kw_only=True)
class MART(Recipe):
    """Learns from the worst examples, and holds the answer still most where the clean sample itself is in doubt.

    Helps: against every attack within the same norm and budget; more than `trades` at the same clean accuracy
        where the network gets many clean samples wrong.
    Blind to: clean accuracy, of which it gives up more than others. Its loss flattens logits, so that cross-entropy
        attacks flatter it; judge it by margin losses (`apgd-t`).
    Cost: `steps` forward and backward passes for the examples and 2 for the loss, for every one of ordinary training.
    Use it when: the network is small for its task and keeps getting clean samples wrong under `trades` or `pgd`.
    """

    name: ClassVar[str] = "mart"
    paper: ClassVar[str] = "openreview:rklOg6EFwS"
    training: ClassVar[Training] = Training(lr=5e-3, average=0.98)

    beta: float = parameter(5.0, help="weight of holding the answer still", low=0.0, high=1e3)
    steps: int = parameter(10, help="gradient steps to an example", low=1, high=1000)
    step_size: float = parameter(0.25, help="length of a step in units of eps", low=0.0, high=4.0)

    def perturb(self, trainee: Trainee, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        return trainee.climb(x, wrong(y), threat, rng, steps=self.steps, step_size=self.step_size)

    def loss(self, trainee: Trainee, x: Images, adversarial: Images, y: Labels, threat: Threat, rng: Rng) -> Tensor:
        clean, attacked = both(trainee, x, adversarial)
        doubt = 1.0 - clean.softmax(1).gather(1, y[:, None]).squeeze(1)
        return boosted(attacked, y) + self.beta * doubt * divergence(attacked, clean)
