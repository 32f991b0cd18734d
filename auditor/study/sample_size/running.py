"""Training one network on ever more samples, and attacking it on those and on others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from auditor.defense import Training
from auditor.errors import RunError, UsageError
from auditor.harden.average import Average
from auditor.harden.batches import Batch, seed_of
from auditor.harden.scores import Validation
from auditor.harden.trainee import Trainee
from auditor.harden.update import Updater, optimiser_of
from auditor.result.evidence import atomic_write
from auditor.result.statistics import wilson
from auditor.study.sample_size.record import Point, Share, SizeStudy
from auditor.study.transfer.networks import connected, convolutional

if TYPE_CHECKING:
    from auditor.defense import Recipe
    from auditor.study.transfer.running import Data
    from auditor.types import Images, Labels, Threat

FILE = "study.json"
_POINTS, _CHANNELS, _HIDDEN, _BATCH = 5, 16, 200, 64
# The budget rises along a quarter of the updates: from the start on, few samples are learned without it being met.
_TRAINING = Training(batch_size=_BATCH, lr=2e-3, warmup=0.25)


@dataclass
class SizeRunning:
    """The study on some data; `recipe` trains for `threat`, with `updates` updates whatever the number of samples.
    `on_step` is told of how many updates more are done."""

    data: Data
    recipe: Recipe
    threat: Threat
    updates: int
    seed: int = 0
    confidence: float = 0.95
    on_step: Callable[[int], None] = lambda updates: None

    @property
    def asked(self) -> SizeStudy:
        """The question, without answers."""
        most = len(self.data.parts["all"][1])
        return SizeStudy(
            source=self.data.samples.source,
            sha256=self.data.samples.sha256,
            norm=self.threat.norm.value,
            eps=self.threat.eps,
            recipe=self.recipe.label,
            updates=self.updates,
            attacked=len(self.data.held.y),
            seed=self.seed,
            confidence=self.confidence,
            sizes=tuple(most >> halvings for halvings in reversed(range(_POINTS))),
        )

    def execute(self, folder: Path, *, resume: bool = False) -> SizeStudy:
        """Measure every size that `folder` does not tell of yet; each is written when it is done.

        Raises:
            RunError: the folder answers another question, or cannot be read or written.
        """
        study = self._begun(folder / FILE) if resume else self.asked
        self.on_step(self.updates * len(study.points))
        for size in study.sizes[len(study.points) :]:
            study = study.model_copy(update={"points": (*study.points, self._point(size))})
            try:
                folder.mkdir(parents=True, exist_ok=True)
                atomic_write(folder / FILE, study.to_json().encode())
            except OSError as error:
                raise RunError(f"{folder / FILE} cannot be written: {error.strerror}; make room.") from error
        return study

    def _begun(self, file: Path) -> SizeStudy:
        try:
            study = SizeStudy.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            return self.asked
        except (OSError, ValueError) as error:
            raise RunError(f"{file} cannot be read; begin anew in another --out.") from error
        if study.model_copy(update={"points": ()}) != self.asked:
            raise RunError(f"{file} was begun with other data or settings; resume with those, or choose another --out.")
        return study

    def _point(self, size: int) -> Point:
        # The first of a random order, so that every set holds the smaller ones.
        x, y = (part[:size] for part in self.data.parts["all"])
        held = self.data.held
        trainee = self._trained(x, y)
        seen = Validation(x[: len(held.y)], y[: len(held.y)], self.threat, self.seed)
        unseen = Validation(held.x, held.y, self.threat, self.seed)
        train, test = seen.score(trainee), unseen.score(trainee)
        return Point(
            samples=size,
            clean_train=self._share(train.clean, len(seen.y)),
            clean_test=self._share(test.clean, len(unseen.y)),
            robust_train=self._share(train.robust, len(seen.y)),
            robust_test=self._share(test.robust, len(unseen.y)),
        )

    def _share(self, value: float, n: int) -> Share:
        right = round(value * n)
        return Share(value=right / n, interval=wilson(right, n, self.confidence), n=n)

    def _trained(self, x: Images, y: Labels) -> Trainee:
        shape, classes = tuple(x.shape[1:]), self.data.held.classes
        build = convolutional(2, _CHANNELS) if len(shape) == 3 else connected(_HIDDEN, _HIDDEN)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(self.seed, "network"))
            module = build(shape, classes)
        weights = dict(module.named_parameters())
        trainee = Trainee(module, module, weights)
        trainee.num_classes, trainee.samples, trainee.steps = classes, len(x), self.updates * self.recipe.updates
        updater = Updater(
            trainee=trainee,
            recipe=self.recipe,
            additions=(),
            training=_TRAINING,
            threat=self.threat,
            seed=self.seed,
            optimiser=optimiser_of(_TRAINING, weights.values()),
            average=Average(module, 0.0),
        )
        generator = torch.Generator().manual_seed(seed_of(self.seed, "order"))
        waiting = torch.empty(0, dtype=torch.int64)
        for done in range(self.updates):
            rows, waiting = _next(waiting, len(x), generator)
            loss = updater.update(Batch(rows, x[rows], y[rows], len(rows)), done / self.updates)
            if not torch.isfinite(loss):
                raise UsageError("Training gave a loss that is not finite; choose a smaller --eps.")
            self.on_step(1)
        return trainee


def _next(waiting: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The rows of the next batch and those that wait; in a new order whenever fewer wait than a batch takes."""
    if len(waiting) < min(_BATCH, count):
        waiting = torch.randperm(count, generator=generator)
    return waiting[:_BATCH], waiting[_BATCH:]
