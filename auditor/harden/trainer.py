"""Training from the first epoch to the best network: validation, checkpoints, and what is done where it goes wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import torch

from auditor.errors import ModelError
from auditor.harden import checkpoint, memory, watch
from auditor.harden.at_work import at_work
from auditor.harden.average import Average
from auditor.harden.batches import Batches, seed_of
from auditor.harden.progress import Epoch, Progress
from auditor.harden.update import Updater, optimiser_of

if TYPE_CHECKING:
    from auditor.defense import Addition, Recipe, Training
    from auditor.harden.scores import Score, Validation
    from auditor.harden.trainee import Trainee
    from auditor.types import Threat

SETBACKS = 6
"""How often training is taken back before it is given up."""

_LOOK = 25  # updates between two looks at the loss, which waits for the device
_TRIAL = 5  # updates that are timed before a time limit becomes a number of epochs; the first warms up
_SPARE = 0.95  # of a time limit that is planned with
_CLEAN_WEIGHTS = 0.25, 4.0  # where the weight of the clean loss begins, and ends

T = TypeVar("T")
Listener: TypeAlias = Callable[[Progress, int, int], None]
"""Told how far training is, and of how many batches of this epoch how many are done."""


class Diverged(Exception):
    """A loss was infinite or NaN."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is trained how.

    Attributes:
        keep_clean: how much clean accuracy may be lost; None for any.
        time_limit: seconds of training; None for any.
        key: settings and data in a text: a checkpoint of others is refused.
    """

    recipe: Recipe
    additions: tuple[Addition, ...]
    training: Training
    threat: Threat
    seed: int
    keep_clean: float | None = None
    time_limit: float | None = None
    key: str = ""


class Trainer:
    """Trains, and leaves the trainee with the weights of the best epoch."""

    def __init__(
        self,
        trainee: Trainee,
        plan: Plan,
        batches: Batches,
        validation: Validation,
        folder: Path,
        listen: Listener = lambda progress, done, total: None,
    ) -> None:
        """Checkpoints go into `folder`."""
        self._trainee, self._plan, self._batches, self._validation = trainee, plan, batches, validation
        self._folder, self._listen = folder, listen
        trainee.samples = len(batches)
        training = plan.training
        self._updater = Updater(
            trainee=trainee,
            recipe=plan.recipe,
            additions=plan.additions,
            training=training,
            threat=plan.threat,
            seed=plan.seed,
            optimiser=optimiser_of(training, trainee.weights.values()),
            average=Average(trainee.module, training.average),
        )
        self.progress = Progress(epochs=training.epochs, batch_size=min(training.batch_size, len(batches)))

    def run(self, *, resume: bool = False) -> Progress:
        """Train to the end, or go on where an earlier run of the same plan was interrupted.

        Raises:
            ModelError: the model answers NaN, the loss is never finite, or not even one sample fits into memory.
            PluginError: the recipe or an addition broke.
            RunError: there is nothing to resume.
        """
        with torch.random.fork_rng():
            if resume:
                self._restore(checkpoint.LAST)
            else:
                self._begin()
            self._heed()
            while not self.progress.done:
                self._epoch()
        if self._trainee.members:
            # All of them together are the result; no epoch is chosen, and the scores are those of single members.
            self.progress.best = self.progress.epoch
        else:
            self._restore(checkpoint.BEST, progress=self.progress)
            self._updater.average.apply()
        return self.progress

    def _begin(self) -> None:
        begun = time.monotonic()
        if lost := self._fitting(lambda: self._validation.unanswered(self._trainee, self._most)):
            raise ModelError(
                f"Before any training the model answers {lost} of {len(self._validation.y)} validation samples with "
                "NaN or infinity, and nothing can be learned from that: look for NaN among its weights, for a division "
                "or a logarithm at zero, and whether --input-range, --mean and --std are its own."
            )
        score = self._fitting(self._score)
        looked = self._since(begun)
        self.progress.history.append(Epoch(0, 0.0, score, looked))
        self._save()
        if self._plan.time_limit:
            each = self._fitting(self._timed_update)
            self._restore(checkpoint.LAST, progress=self.progress)
            self._fit(self._plan.time_limit - self._since(begun), each * self._count() + looked)
        self.progress.seconds = self._since(begun)
        self._save()

    def _epoch(self) -> None:
        begun, progress = time.monotonic(), self.progress
        try:
            loss = self._learn(begun)
            with self._updater.average.applied():
                score = self._score()
        except Diverged:
            why, batches = "the loss was not finite, so the learning rate was halved", 1
        except torch.OutOfMemoryError as error:
            memory.require_smaller(progress, self._trainee.crew, self._folder, error)
            why, batches = memory.HALVED, 2
        else:
            return self._finish(loss, score, self._since(begun))
        # Not within the handlers, which hold on to what filled the memory.
        progress.seconds += self._since(begun)
        return self._back(checkpoint.LAST, why, batches=batches)

    def _finish(self, loss: float, score: Score, spent: float) -> None:
        progress = self.progress
        progress.epoch += 1
        progress.step, progress.seconds = self._trainee.step, progress.seconds + spent
        progress.history.append(Epoch(progress.epoch, loss, score, spent))
        self._judge(spent)
        self._listen(self.progress, 1, 1)

    def _score(self) -> Score:
        return self._validation.score(self._trainee, self._most)

    @property
    def _most(self) -> int:
        """Samples to a pass of validation, which holds less of each in memory than training does."""
        return 2 * self.progress.batch_size

    def _since(self, begun: float) -> float:
        """Seconds since then, by the clock of the first process."""
        return self._trainee.crew.same(time.monotonic() - begun)

    def _fitting(self, work: Callable[[], T]) -> T:
        return memory.fitting(work, self.progress, self._trainee.crew, self._folder)

    def _heed(self) -> None:
        """Begin with smaller batches where memory ran out in one of several processes before."""
        if memory.noted(self._folder, self.progress):
            self._save()
            if self._trainee.crew.rank == 0:  # All have read it, or they would not have saved.
                (self._folder / memory.NOTE).unlink()

    def _learn(self, begun: float) -> float:
        """One pass over the data; the mean loss. A time limit that is over ends it early."""
        progress, trainee = self.progress, self._trainee
        self._updater.scale, self._updater.clean_weight = progress.scale, progress.clean_weight
        if progress.cured:
            self._updater.recipe = self._cured() or self._plan.recipe
        # What is dropped of one sample in one process says nothing about that of another in the next.
        apart = (trainee.crew.rank,) if trainee.crew.rank else ()
        torch.manual_seed(seed_of(self._plan.seed, "layers", progress.epoch, progress.setbacks, *apart))
        trainee.epoch, count = progress.epoch, self._count()
        with at_work(self._plan.recipe):
            trainee.steps = count * progress.epochs * self._plan.recipe.updates
        total, limit = torch.zeros((), device=trainee.device), self._plan.time_limit
        for done, batch in enumerate(self._batches.epoch(progress.epoch, progress.batch_size, trainee.crew)):
            share = (progress.epoch + done / count) / progress.epochs
            total += self._updater.update(batch, share)
            last = done + 1 == count
            if (last or done % _LOOK == 0) and not torch.isfinite(trainee.crew.total(total)):
                raise Diverged
            self._listen(progress, done + 1, count)
            if limit and progress.seconds + self._since(begun) > limit:
                progress.stopped = "the time limit was reached"
                break
        return float(trainee.crew.total(total)) / (done + 1)

    def _judge(self, spent: float) -> None:
        """Keep the best, take back what collapsed or gave up, stop what overfits, plan the rest."""
        progress, history = self.progress, self.progress.history
        if watch.collapsed(history):
            return self._cure(history[-1])
        if watch.gave_up(history, self._validation.floor):
            why = "the network gave nearly all samples one answer; it went back to the best epoch with half the rate"
            return self._back(checkpoint.BEST, why)
        progress.best = watch.best(progress, self._plan.keep_clean).number
        if watch.overfits(progress):
            progress.stopped = "robust accuracy fell for good"
            progress.remarks.append(
                f"epoch {progress.epoch}: robust overfitting: robust accuracy fell to {history[-1].score.robust:.1%} "
                f"after {progress.kept.score.robust:.1%} in epoch {progress.best}, which is kept; training was ended"
            )
        if self._plan.keep_clean is not None and not watch.allowed(progress, history[-1], self._plan.keep_clean):
            low, high = _CLEAN_WEIGHTS
            progress.clean_weight = min(max(low, 2.0 * progress.clean_weight), high)
        if self._plan.time_limit:
            self._fit(self._plan.time_limit - progress.seconds, spent)
        return self._save()

    def _cure(self, epoch: Epoch) -> None:
        """Go back to before the collapse, and on with the recipe's cure; without one that is the end."""
        cure = None if self.progress.cured else self._cured()
        then = "training went back to the best epoch and on with the recipe's cure" if cure else "training was ended"
        fell = f"robust accuracy fell to {epoch.score.robust:.1%} while one step fools as few as before"
        self._back(checkpoint.BEST, f"catastrophic overfitting: {fell}; {then}", scale=1.0)
        self.progress.cured = cure is not None
        self.progress.stopped = "" if cure else "training collapsed"
        self._save()

    def _cured(self) -> Recipe | None:
        with at_work(self._plan.recipe):
            return self._plan.recipe.cure()

    def _back(self, file: str, why: str, scale: float = 0.5, batches: int = 1) -> None:
        """Restore a checkpoint, with a smaller rate and each batch in as many parts; the time that was spent since, and
        what has been said, stay."""
        before = self.progress
        if before.setbacks >= SETBACKS:
            recipe = self._plan.recipe.name
            raise ModelError(
                f"Training with {recipe} fails again and again, the last time since {why}. Begin "
                "with a smaller --training lr=…, or with another --recipe."
            )
        self._restore(file)
        self.progress.scale = before.scale * scale
        self.progress.batch_size = before.batch_size // batches
        self.progress.setbacks, self.progress.seconds = before.setbacks + 1, before.seconds
        self.progress.remarks = [*before.remarks, f"after epoch {before.epoch}: {why}"]
        self._save()

    def _fit(self, left: float, each: float) -> None:
        """Plan no more epochs than the time left allows, where one takes `each` seconds."""
        fitting = self.progress.epoch + int(_SPARE * left / max(each, 1e-9))
        self.progress.epochs = min(self.progress.epochs, max(fitting, self.progress.epoch, 1))

    def _timed_update(self) -> float:
        """Seconds of an update, in the mean, since recipes may work harder now and then; what was changed is for the
        caller to restore."""
        times = []
        batch = next(iter(self._batches.epoch(0, self.progress.batch_size, self._trainee.crew)))
        for _ in range(_TRIAL):
            begun = time.monotonic()
            float(self._updater.update(batch, 0.5))
            times.append(self._since(begun))
        return sum(times[1:]) / (_TRIAL - 1)

    def _count(self) -> int:
        return -(-len(self._batches) // self.progress.batch_size)

    def _save(self) -> None:
        checkpoint.save(self._folder, self._updater, self.progress, self._plan.key)

    def _restore(self, file: str, progress: Progress | None = None) -> None:
        restored = checkpoint.restore(self._folder / file, self._updater, self._plan.key)
        self.progress = restored if progress is None else progress
