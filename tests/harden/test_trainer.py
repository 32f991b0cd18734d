"""Training: what comes of it, and what is done where it goes wrong."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from auditor.defense import Recipe, Training
from auditor.errors import ModelError, PluginError, RunError
from auditor.harden import checkpoint
from auditor.harden.progress import Epoch
from auditor.harden.settings import parse_recipe
from auditor.harden.trainee import Trainee
from auditor.harden.trainer import SETBACKS
from auditor_defenses.pgd import PGDTraining
from tests.harden.small import Run, network, plain, robust


def test_a_model_that_small_changes_fool_learns_to_withstand_them(tmp_path: Path) -> None:
    run = Run(tmp_path, training=Training(epochs=12, batch_size=32, lr=0.1), module=plain())
    progress = run.trainer().run()
    assert progress.history[0].score.robust < 0.3 < 0.8 < progress.history[0].score.clean
    assert progress.kept.score.robust > 0.7


def test_the_same_seed_gives_the_same_network_to_the_last_bit(tmp_path: Path) -> None:
    first, second = Run(tmp_path / "a"), Run(tmp_path / "b")
    first.trainer().run()
    torch.manual_seed(99)
    second.trainer().run()
    assert all(torch.equal(value, second.weights()[name]) for name, value in first.weights().items())


def test_what_a_killed_process_began_is_resumed_to_the_last_bit(tmp_path: Path) -> None:
    whole = Run(tmp_path / "whole")
    expected = whole.trainer().run()
    script = f"""
        from pathlib import Path
        from tests.harden.small import Run
        import os, signal
        run = Run(Path({str(tmp_path / "killed")!r}))
        trainer = run.trainer()
        def listen(progress, done, total):
            if progress.epoch == 2 and done == 3:
                os.kill(os.getpid(), signal.SIGKILL)
        trainer._listen = listen
        trainer.run()
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], cwd=Path(__file__).parents[2], check=False)
    assert ended.returncode == -9
    resumed = Run(tmp_path / "killed", module=network(seed=5))
    progress = resumed.trainer().run(resume=True)
    assert robust(progress) == robust(expected)
    assert all(torch.equal(value, resumed.weights()[name]) for name, value in whole.weights().items())


def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path) -> None:
    trainer = Run(tmp_path).trainer()
    trainer.run()
    other = Run(tmp_path, module=network()).trainer()
    other._plan = replace(other._plan, key="another")
    with pytest.raises(RunError, match="other settings or data"):
        other.run(resume=True)


def test_a_damaged_checkpoint_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / checkpoint.LAST).write_bytes(b"no checkpoint")
    with pytest.raises(RunError, match=r"checkpoint .* cannot be read"):
        Run(tmp_path).trainer().run(resume=True)


@dataclass(frozen=True, kw_only=True)
class Clean(Recipe):
    """Ordinary training."""

    name: ClassVar[str] = "clean"

    def perturb(self, trainee: Trainee, x: Tensor, *others: object) -> Tensor:
        return x

    def loss(self, trainee: Trainee, x: Tensor, adversarial: Tensor, y: Tensor, *others: object) -> Tensor:
        return trainee.cross_entropy(trainee(adversarial), y)


@dataclass(frozen=True, kw_only=True)
class Fails(Clean):
    """Does something odd at one update, or from there on."""

    name: ClassVar[str] = "fails"
    kind: str = "nan"
    at: int = 7
    happened: ClassVar[list[int]] = []

    def loss(self, trainee: Trainee, x: Tensor, adversarial: Tensor, y: Tensor, *others: object) -> Tensor:
        value = super().loss(trainee, x, adversarial, y)
        if (self.kind == "nan" and trainee.step == self.at and not self.happened) or self.kind == "always nan":
            self.happened.append(trainee.step)
            return value * torch.nan
        return value


def test_a_model_that_answers_nan_before_training_is_told_so(tmp_path: Path) -> None:
    module = plain()
    next(module.parameters()).data.fill_(torch.nan)
    run = Run(tmp_path, module=module)
    with pytest.raises(ModelError, match=r"Before any training the model answers .* with NaN"):
        run.trainer().run()


def test_a_loss_that_is_nan_once_is_taken_back_with_half_the_rate(tmp_path: Path) -> None:
    Fails.happened.clear()
    run = Run(tmp_path, recipe=Fails())
    progress = run.trainer().run()
    assert (progress.epoch, progress.scale, progress.setbacks) == (4, 0.5, 1)
    assert "not finite" in progress.remarks[0]
    assert all(value.isfinite().all() for value in run.weights().values())


def test_a_loss_that_is_always_nan_ends_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not finite"):
        Run(tmp_path, recipe=Fails(kind="always nan")).trainer().run()
    assert len(Fails.happened) >= SETBACKS


@dataclass(frozen=True, kw_only=True)
class Breaks(Clean):
    """Breaks its contract in one of many ways."""

    name: ClassVar[str] = "breaks"
    how: str

    def perturb(self, trainee: Trainee, x: Tensor, *others: object) -> Tensor:
        if self.how == "raises":
            raise KeyError("not there")
        if self.how == "leaves":
            sys.exit(0)
        answers: dict[str, Any] = {
            "one row": x[:1],
            "nothing": None,
            "whole numbers": x.long(),
            "too far": x + 0.5,
            "no numbers": x * torch.nan,
        }
        return answers.get(self.how, x)  # type: ignore[no-any-return]

    def loss(self, trainee: Trainee, x: Tensor, adversarial: Tensor, y: Tensor, *others: object) -> Tensor:
        value = super().loss(trainee, x, adversarial, y)
        return value.detach() if self.how == "no graph" else value

    def after_backward(self, *others: object) -> None:
        if self.how == "afterwards":
            raise RuntimeError("too late")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("raises", "KeyError: 'not there'"),
        ("leaves", "SystemExit: 0"),
        ("one row", r"perturb returned shape \(1, 1, 4, 4\) for samples of shape"),
        ("nothing", "perturb returned NoneType for samples"),
        ("whole numbers", r"perturb returned torch.int64 for samples of torch.float32"),
        ("too far", r"perturb returned an example at a distance of 0\.5 where the budget, .* is linf"),
        ("no numbers", r"perturb returned an example at a distance of nan"),
        ("no graph", "does not require grad"),
        ("afterwards", "too late"),
    ],
)
def test_a_recipe_that_breaks_is_named_in_a_sentence(how: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=f"The recipe 'breaks' broke: .*{said}"):
        Run(tmp_path, recipe=Breaks(how=how)).trainer().run()


@dataclass(frozen=True, kw_only=True)
class SetUp(Clean):
    """Breaks when it is made."""

    name: ClassVar[str] = "set-up"

    def __post_init__(self) -> None:
        sys.exit(3)


@dataclass(frozen=True, kw_only=True)
class Untrained(Clean):
    """Says in a text how it is trained."""

    name: ClassVar[str] = "untrained"
    training: ClassVar[Any] = "slowly"


@pytest.mark.parametrize(("kind", "said"), [(SetUp, "SystemExit: 3"), (Untrained, "its training is of type str")])
def test_a_recipe_that_cannot_be_set_up_is_named_in_a_sentence(kind: type[Recipe], said: str) -> None:
    with pytest.raises(PluginError, match=f"{kind.name}' broke: .*{said}"):
        parse_recipe(kind.name, {kind.name: kind})


@dataclass(frozen=True, kw_only=True)
class Collapses(PGDTraining):
    """From its fifth epoch on it teaches the wrong labels."""

    name: ClassVar[str] = "collapses"
    curable: bool = True

    def loss(self, trainee: Trainee, x: Tensor, adversarial: Tensor, y: Tensor, *others: object) -> Tensor:
        if trainee.epoch < 5:
            return trainee.cross_entropy(trainee(adversarial), y)
        return trainee.cross_entropy(trainee(x), 1 - y)

    def cure(self) -> Recipe | None:
        return PGDTraining(steps=3, step_size=0.5) if self.curable else None


STEEP = Training(epochs=12, batch_size=32, lr=0.3, warmup=0.0, weight_decay=0.0, schedule="constant")


@pytest.mark.parametrize("curable", [True, False])
def test_a_collapse_goes_back_to_the_best_epoch_and_on_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, curable: bool
) -> None:
    monkeypatch.setattr("auditor.harden.watch.collapsed", lambda history: history[-1].score.robust < 0.5 < top(history))
    run = Run(tmp_path, recipe=Collapses(steps=3, step_size=0.5, curable=curable), training=STEEP, module=plain())
    progress = run.trainer().run()
    assert "catastrophic overfitting" in progress.remarks[0]
    assert progress.kept.score.robust > 0.7
    assert progress.cured is curable
    assert (progress.stopped, progress.epoch) == (("", 12) if curable else ("training collapsed", progress.best))


def top(history: list[Epoch]) -> float:
    return max(epoch.score.robust for epoch in history)


def test_the_best_epoch_is_what_is_kept_and_not_the_last(tmp_path: Path) -> None:
    run = Run(tmp_path, recipe=Collapses(steps=3, step_size=0.5), training=replace(STEEP, epochs=8), module=plain())
    trainer = run.trainer()
    progress = trainer.run()
    assert 0 < progress.best < 8
    assert progress.kept.score.robust == top(progress.history) > progress.history[-1].score.robust
    assert trainer._validation.score(trainer._trainee) == progress.kept.score


@dataclass(frozen=True, kw_only=True)
class Unlearns(Clean):
    """Teaches the wrong labels."""

    name: ClassVar[str] = "unlearns"

    def loss(self, trainee: Trainee, x: Tensor, adversarial: Tensor, y: Tensor, *others: object) -> Tensor:
        return trainee.cross_entropy(trainee(adversarial), 1 - y)


def test_an_epoch_that_lost_too_much_clean_accuracy_is_not_kept_and_clean_samples_are_learned_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auditor.harden.watch.gave_up", lambda history, floor: False)
    training = replace(STEEP, epochs=10)
    run = Run(tmp_path, recipe=Unlearns(), training=training, module=plain(), options={"keep_clean": 0.0})
    progress = run.trainer().run()
    assert min(epoch.score.clean for epoch in progress.history) < progress.history[0].score.clean
    assert progress.kept.score.clean >= progress.history[0].score.clean
    assert progress.clean_weight > 1.0


def test_a_network_that_gave_up_goes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = iter([True] + [False] * 20)
    monkeypatch.setattr("auditor.harden.watch.gave_up", lambda history, floor: next(told))
    progress = Run(tmp_path, training=replace(STEEP, epochs=2), module=plain()).trainer().run()
    assert (progress.scale, progress.setbacks, progress.epoch) == (0.5, 1, 2)
    assert "one answer" in progress.remarks[0]


def test_a_time_limit_becomes_a_number_of_epochs_and_ends_training(tmp_path: Path) -> None:
    training = Training(epochs=100_000, batch_size=32, lr=0.02)
    begun = time.monotonic()
    progress = Run(tmp_path, training=training, options={"time_limit": 3.0}).trainer().run()
    assert 1 <= progress.epoch <= progress.epochs < 100_000
    assert time.monotonic() - begun < 10.0
