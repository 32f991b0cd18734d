"""One update: examples, loss, gradient, step."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from auditor.errors import PluginError
from auditor.harden.at_work import at_work
from auditor.harden.batches import seed_of
from auditor.harden.schedules import budget, rate
from auditor.norms import distance
from auditor.rng import Rng

if TYPE_CHECKING:
    from auditor.defense import Addition, Recipe, Training
    from auditor.harden.average import Average
    from auditor.harden.batches import Batch
    from auditor.harden.trainee import Trainee
    from auditor.types import Threat

_LOOK = 50  # updates between two looks at how far examples are


def optimiser_of(training: Training, weights: Iterable[Tensor]) -> torch.optim.Optimizer:
    """The optimiser, its learning rate still to be set; biases and normalisation do not decay."""
    some = list(weights)
    groups = [
        {"params": [w for w in some if w.dim() > 1], "weight_decay": training.weight_decay},
        {"params": [w for w in some if w.dim() <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if training.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=training.lr, momentum=0.9, nesterov=True, fused=True)
    return torch.optim.AdamW(groups, lr=training.lr, fused=True)


@dataclass
class Updater:
    """Makes updates of a trainee by a recipe and additions to it."""

    trainee: Trainee
    recipe: Recipe
    additions: tuple[Addition, ...]
    training: Training
    threat: Threat
    seed: int
    optimiser: torch.optim.Optimizer
    average: Average
    scale: float = 1.0
    clean_weight: float = 0.0

    def update(self, batch: Batch, progress: float) -> Tensor:
        """As many updates as the recipe makes of one batch; their mean loss, still on the device: of several processes
        the summand of this one.

        Raises:
            PluginError: the recipe or an addition broke.
        """
        device = self.trainee.device
        x, y = (part.to(device, non_blocking=True) for part in (batch.x, batch.y))
        self.trainee.indices, self.trainee.whole = batch.indices.to(device), batch.whole
        threat = replace(self.threat, eps=self.threat.eps * budget(self.training.warmup, progress))
        self.trainee.lr = self.training.lr * self.scale * rate(self.training.schedule, progress)
        with at_work(self.recipe, *self.additions):
            losses = [self._update(x, y, threat) for _ in range(self.recipe.updates)]
            return torch.stack(losses).mean()

    def _update(self, x: Tensor, y: Tensor, threat: Threat) -> Tensor:
        trainee, recipe = self.trainee, self.recipe
        trainee.generator.manual_seed(seed_of(self.seed, "update", trainee.step))
        rng = Rng.keyed(self.seed, f"training {trainee.step}", trainee.indices)
        adversarial = recipe.perturb(trainee, x, y, threat, rng.fork("perturb"))
        self._examine(adversarial, x, threat)

        def loss() -> Tensor:
            mean = recipe.loss(trainee, x, adversarial, y, threat, rng.fork("loss")).mean()
            if self.clean_weight:
                mean = mean + self.clean_weight * trainee.cross_entropy(trainee(x), y).mean()
            # Of several processes each adds its share to the mean over the whole batch.
            return mean if len(y) == trainee.whole else mean * (len(y) / trainee.whole)

        def aside() -> Tensor:
            with trainee.without_statistics():
                return loss()

        self.optimiser.zero_grad()
        with ExitStack() as around:
            for addition in self.additions:
                around.enter_context(addition.around(trainee, aside))
            value = loss()
            value.backward()  # type: ignore[no-untyped-call]
        trainee.crew.add(weight.grad for weight in trainee.weights.values() if weight.grad is not None)
        recipe.after_backward(trainee, x, adversarial, y, threat, rng.fork("after"))
        self._apply()
        return value.detach()

    def _examine(self, adversarial: object, x: Tensor, threat: Threat) -> None:
        """Whether these are examples at all; raises PluginError. Now and then, since that waits for the device, whether
        they keep to the budget, where they are meant to."""
        if not isinstance(adversarial, Tensor) or adversarial.shape != x.shape:
            got = f"shape {tuple(adversarial.shape)}" if isinstance(adversarial, Tensor) else type(adversarial).__name__
            raise PluginError(f"perturb returned {got} for samples of shape {tuple(x.shape)}")
        if adversarial.dtype != x.dtype:
            raise PluginError(f"perturb returned {adversarial.dtype} for samples of {x.dtype}")
        if not self.recipe.within or self.trainee.step % _LOOK:
            return
        far = float(distance(adversarial.detach(), x, threat.norm).max())
        if not far <= 1.0001 * threat.eps + 1e-5:  # what rounding may carry it past
            raise PluginError(
                f"perturb returned an example at a distance of {far:.4g} where the budget, which rises while training "
                f"warms up, is {threat.norm.value} {threat.eps:.4g} by now (a recipe that goes beyond it on purpose "
                "says `within = False`)"
            )

    def _apply(self) -> None:
        if self.training.clip:
            torch.nn.utils.clip_grad_norm_(self.trainee.weights.values(), self.training.clip)
        for group in self.optimiser.param_groups:
            group["lr"] = self.trainee.lr
        self.optimiser.step()
        self.average.update(self.trainee.step)
        self.trainee.step += 1
