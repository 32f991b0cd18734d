"""Small models whose transfer is known in closed form, and a loader that knows which of them are still alive."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from auditor import Attack
from auditor.engine.standing import Clean
from auditor.engine.store import Store
from auditor.engine.transfer.contender import Contender
from auditor.engine.transfer.stage import TransferStage
from auditor.events import Event
from auditor.result.transfer import TransferCell, TransferMatrix, TransferResult
from auditor.settings import AttackSetting, Settings, ThreatSetting
from auditor.target.base import ModelOptions, Target
from auditor.types import Norm
from auditor_attacks.apgd import APGD
from auditor_attacks.mifgsm import MIFGSM
from auditor_attacks.pgd import PGD
from auditor_attacks.sparse_rs import SparseRS
from auditor_attacks.square import Square
from auditor_attacks.transfer import Transfer

EPS = 0.2
VALUES = [0.10, 0.35, 0.44, 0.46, 0.54, 0.56, 0.65, 0.90]
LABELS = [0, 0, 0, 0, 1, 1, 1, 1]


class Pixels(nn.Module):
    """Two classes, `(N, 1, 2, 2)`: class 1 where the mean of some pixels exceeds one half."""

    def __init__(self, at: Sequence[int] = (0, 1, 2, 3), classes: int = 2, shift: float = 0.0) -> None:
        super().__init__()
        self.at, self.classes, self.shift, self.seen = list(at), classes, shift, 0

    def forward(self, x: Tensor) -> Tensor:
        self.seen += len(x)
        score = 10.0 * (x.flatten(1)[:, self.at].mean(1) - 0.5 - self.shift)
        further = [torch.full_like(score, -50.0)] * (self.classes - 2)
        return torch.stack([-score, score, *further], 1)


class Shelf:
    """Makes targets of networks by name, over and over; `alive` tells how many that it handed out still exist."""

    def __init__(self, networks: Mapping[str, Any], *, without_gradients: Sequence[str] = ()) -> None:
        self.networks, self.blind = dict(networks), without_gradients
        self.loads: list[str] = []
        self.most = 0
        self.sha = dict.fromkeys(networks, "0" * 64)
        self.draws = dict.fromkeys(networks, 1)
        self._out: list[weakref.ref[Target]] = []

    @property
    def alive(self) -> int:
        return sum(ref() is not None for ref in self._out)

    def __call__(self, name: str) -> Target:
        network = self.networks[name]
        target = Target(
            name=name,
            source=name,
            sha256=self.sha[name],
            format="torch",
            deployed=network,
            twin=None if name in self.blind else network,
            gradients="none" if name in self.blind else "native",
            input_shape=None,
            options=ModelOptions(),
            device=torch.device("cpu"),
            num_classes=getattr(network, "classes", 2),
            draws=self.draws[name],
        )
        # As real ones: what holds itself is freed when the collector comes by.
        target.details = {"itself": target}
        self.loads.append(name)
        self._out.append(weakref.ref(target))
        self.most = max(self.most, self.alive)
        return target

    def contenders(self, samples: Any, wanted: int | None = None) -> list[Contender]:
        """What audits would have left, under a goal if a class is wanted."""
        made = []
        for name in self.networks:
            target = self(name)
            answers = target.judged(samples.fetch(range(len(samples))))
            labels = samples.labels.numpy()
            goal = None if wanted is None else np.full_like(labels, wanted)
            clean = Clean(labels, answers.argmax(1).numpy(), np.ones(len(labels)), np.zeros(len(labels)), goal)
            made.append(Contender.of(target, clean))
        del target
        gc.collect()
        self.loads.clear()
        self.most = 0
        return made


def settings(*attacks: str, eps: float = EPS, norms: Sequence[Norm] = (Norm.LINF,), **more: Any) -> Settings:
    """Settings of a scan that is about transfer."""
    parameters = {"square": {"queries": 40}, "sparse-rs": {"queries": 40}, "mifgsm": {"steps": 5}, "pgd": {"steps": 5}}
    named = tuple(AttackSetting(name=name, parameters=parameters[name]) for name in attacks)
    threats = tuple(ThreatSetting(norm=norm, eps=eps) for norm in norms)
    return Settings(models=("a", "b"), data="memory", threats=threats, transfer_attacks=named, **more)


def make(name: str, parameters: Mapping[str, Any]) -> Attack:
    """An attack by name."""
    known = (APGD, MIFGSM, PGD, SparseRS, Square, Transfer)
    return {attack.name: attack for attack in known}[name](**parameters)


def measured(
    shelf: Shelf,
    samples: Any,
    run: Path,
    asked: Settings,
    *,
    contenders: list[Contender] | None = None,
    listen: Any = None,
    deadline: float = float("inf"),
) -> TransferResult:
    """All matrices of these models."""
    store = Store(run)
    events: list[Event] = []
    try:
        store.remember("batch size", 3)
        known = contenders or shelf.contenders(samples)
        stage = TransferStage(asked, make, shelf, samples, store, listen or events.append, deadline)
        result = stage.run(known)
    finally:
        store.close()
    assert result is not None
    return result


def cell(matrix: TransferMatrix, source: str, target: str) -> TransferCell:
    """One of them."""
    (found,) = (one for one in matrix.cells if (one.source, one.target) == (source, target))
    return found
