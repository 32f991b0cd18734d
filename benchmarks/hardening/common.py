"""Digits to harden with, a network trained by a recipe, and what is left of it under attacks that it never saw."""

from __future__ import annotations

import csv
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from auditor.configuration import build_settings
from auditor.engine.audit import Audit
from auditor.harden.batches import Batches
from auditor.harden.ensemble import Ensemble
from auditor.harden.scores import Validation
from auditor.harden.settings import parse_recipe, parse_training
from auditor.harden.split import split
from auditor.harden.trainee import Trainee
from auditor.harden.trainer import Plan, Trainer
from auditor.plugins import load_plugins
from auditor.result.record import ModelResult
from auditor.samples.base import Samples
from auditor.types import Norm, Threat
from benchmarks.networks.data import test_samples, training_samples

WITHOUT = ("checks",)
"""Plugins that judging goes without: tables hold what attacks find, and checks would take most of the time."""

ATTACKS = ("apgd:steps=40", "apgd:steps=40,loss=dlr-targeted")
THREAT = Threat(norm=Norm.LINF, eps=0.2)


class Digits(Samples):
    """The first `n` training digits of the stored networks, (1, 28, 28) in `[0, 1]`."""

    source, shape, eight_bit, sha256 = "digits", (1, 28, 28), True, "0" * 64

    def __init__(self, n: int) -> None:
        x, y = training_samples("mnist", torch.Generator())
        self._x, self._y = x[:n], y[:n]

    def __len__(self) -> int:
        return len(self._x)

    @property
    def labels(self) -> Tensor:
        return self._y

    def fetch(self, indices: object) -> Tensor:
        return self._x[torch.as_tensor(indices)]


@dataclass(frozen=True)
class Trained:
    """A network in eval mode, what its training took in CPU seconds, and what was remarked on the way."""

    module: nn.Module
    seconds: float
    remarks: tuple[str, ...]


def trained(
    module: nn.Module,
    recipe: str,
    training: str,
    threat: Threat = THREAT,
    *,
    augment: frozenset[str] = frozenset(),
    n: int = 4000,
    seed: int = 0,
) -> Trained:
    """`module` trained by `recipe` (`"trades+awp"`) in the way that `training` says (`"epochs=10,lr=0.002"`)."""
    digits = Digits(n)
    chosen, additions = parse_recipe(recipe, load_plugins().defenses())
    trainee = Trainee(module, module, dict(module.named_parameters()))
    trainee.num_classes = 10
    parts = split(digits.labels, seed, hold_out=False)
    rows = parts.validation
    plan = Plan(
        recipe=chosen,
        additions=additions,
        training=parse_training(chosen.training, training, None),
        threat=threat,
        seed=seed,
    )
    with tempfile.TemporaryDirectory() as folder:
        validation = Validation(digits.fetch(rows), digits.labels[rows], threat, seed)
        trainer = Trainer(trainee, plan, Batches(digits, parts.training, seed, augment), validation, Path(folder))
        begun = time.process_time()
        progress = trainer.run()
        seconds = time.process_time() - begun
    result = Ensemble(module, trainee.members) if trainee.members else module
    return Trained(result.eval().requires_grad_(False), seconds, tuple(progress.remarks))


@dataclass(frozen=True)
class Judged:
    """Shares of the test digits.

    Attributes:
        clean: classified correctly.  fgsm: and still so after one step across the whole budget.
        robust: and after all attacks that were asked for, each on those that were left.
        confidence: mean probability that the network gives to its wrong answers to examples of that one step.
    """

    clean: float
    fgsm: float
    robust: float
    confidence: float | None


def network_to_judge() -> nn.Module:
    """What `judged` has `auditor` load."""
    return _JUDGED[-1]


_JUDGED: list[nn.Module] = []


def judged(module: nn.Module, threat: Threat, attacks: Sequence[str] = ATTACKS, n: int = 200) -> Judged:
    """The first `n` test digits in the hands of `auditor scan --attack fgsm …`, and all of them for `clean`."""
    with tempfile.TemporaryDirectory() as folder:
        record = _audited(module, threat, n, Path(folder), attack=["fgsm", *attacks])
        (found,) = record.threats
        fell = found.attacks[0].broken / n
        with (Path(folder) / "run" / "samples.csv").open(encoding="utf-8") as rows:
            sure = [float(row["adversarial_confidence"]) for row in csv.DictReader(rows) if row["broken_by"] == "fgsm"]
    right = record.clean_accuracy
    return Judged(_clean(module), right - fell, found.robust_accuracy, sum(sure) / len(sure) if sure else None)


def withstands(module: nn.Module, threat: Threat, suite: str = "standard", n: int = 200) -> tuple[float, float]:
    """Clean accuracy on all test digits, and robust accuracy of the first `n` of them under a suite."""
    with tempfile.TemporaryDirectory() as folder:
        record = _audited(module, threat, n, Path(folder), suite=suite)
    return _clean(module), record.threats[0].robust_accuracy


def _audited(module: nn.Module, threat: Threat, n: int, folder: Path, **how: Any) -> ModelResult:
    _JUDGED.append(module)
    x, y = test_samples("mnist")
    np.savez(folder / "digits.npz", x=(x[:n] * 255.0).round().byte().numpy(), y=y[:n].numpy())
    flags = {
        "models": [f"{__name__}:{network_to_judge.__name__}"],
        "data": str(folder / "digits.npz"),
        "norm": [threat.norm.value],
        "eps": [repr(threat.eps)],
        "device": "cpu",
        "trust": True,
        **how,
    }
    (record,) = Audit(build_settings(flags, {}), load_plugins(WITHOUT), folder / "run").execute().models
    return record


@torch.no_grad()
def _clean(module: nn.Module) -> float:
    x, y = test_samples("mnist")
    return float((module(x).argmax(1) == y).float().mean())
