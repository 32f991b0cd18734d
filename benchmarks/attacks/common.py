"""Runs attacks, ours and peers', on the same samples and judges what they return alike."""

from __future__ import annotations

import importlib
import json
import math
import sys
import traceback
import types
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from auditor.attack import Attack
from auditor.engine.ledger import Ledger
from auditor.engine.view import Finished, View
from auditor.norms import tolerance
from auditor.rng import Rng
from auditor.testing.oracles import target_of
from auditor.types import Norm, Threat
from benchmarks.evaluation.counting import Clock, Counted
from benchmarks.networks import load, test_samples

CLASSES = 10
RECORDS = "attacks.jsonl"


@dataclass(frozen=True)
class Problem:
    """A network and samples `x` `(N, …)` in [0, 1] that it gets right; `eps` is infinite where size is minimised.

    `skip`: how many such samples come before them.
    """

    network: str
    norm: Norm
    x: Tensor
    y: Tensor
    eps: float = math.inf
    skip: int = 0

    @property
    def threat(self) -> Threat:
        return Threat(norm=self.norm, eps=self.eps)


Search: TypeAlias = Callable[[nn.Module, Problem], Tensor]
"""What an attack is here: a network and a problem to one candidate per sample, `(N, …)`."""


@dataclass(frozen=True)
class Cell:
    """One measurement: whose attack, with which parameters, on which problem."""

    problem: Problem
    tool: str
    attack: str
    search: Search
    parameters: dict[str, Any] = field(default_factory=dict)
    further: Callable[[Problem, Tensor], dict[str, Any]] = lambda task, candidates: {}
    """What else the record says, given the candidates."""

    @property
    def key(self) -> str:
        return f"{self.problem.norm}/{self.problem.network}/{self.tool}/{self.attack}"


class Absent(Exception):
    """A peer that is not installed here; it is named and left out."""


class Store:
    """Appends records to a file in a folder, and says what they hold."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / RECORDS

    def add(self, record: dict[str, Any]) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps(record) + "\n")
        shown = {key: value for key, value in record.items() if key not in ("family", "distances", "found", "steps")}
        print(" ".join(f"{value:.4g}" if isinstance(value, float) else str(value) for value in shown.values()))
        sys.stdout.flush()


@cache
def problem(network: str, norm: Norm, samples: int, eps: float = math.inf, skip: int = 0) -> Problem:
    """The first so many test images that the network gets right, after `skip` of them."""
    x, y = test_samples("mnist" if network.startswith("mnist") else "color")
    with torch.no_grad():
        right = (load(network)(x).argmax(1) == y).nonzero().squeeze(1)[skip : skip + samples]
    return Problem(network, norm, x[right], y[right], eps, skip)


def measured(family: str, cell: Cell) -> dict[str, Any]:
    """Run one cell on one thread; an attack that raises leaves a record with the `error`."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    np.random.seed(0)
    task = cell.problem
    record: dict[str, Any] = {
        "family": family,
        "norm": str(task.norm),
        "network": task.network,
        "eps": task.eps if math.isfinite(task.eps) else None,
        "tool": cell.tool,
        "attack": cell.attack,
        "parameters": cell.parameters,
        "samples": len(task.x),
        "skip": task.skip,
    }
    model = Counted(load(task.network))
    try:
        with Clock() as clock, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            candidates = cell.search(model, task)
    except Absent as error:
        return record | {"absent": str(error)}
    except Exception as error:  # a peer's border
        traceback.print_exc()
        return record | {"error": f"{type(error).__name__}: {error}"[:300]}
    sizes = judged(task, candidates)
    return record | {
        "forwards": model.log.forwards,
        "backwards": model.log.backwards,
        "seconds": round(clock.cpu, 3),
        "success": sum(map(math.isfinite, sizes)) / len(sizes),
        "median": finite(float(np.median(sizes))),
        "distances": [finite(size) for size in sizes],
        **cell.further(task, candidates.detach()),
    }


def judged(task: Problem, candidates: Tensor) -> list[float]:
    """Size of each candidate that is one: wrong in the network, in the box, within `eps`; infinity for the others."""
    # Peers that leave the box by a rounding error are forgiven it.
    candidates = candidates.detach().to(task.x).nan_to_num(-1.0)
    boxed = ((candidates >= -1e-6) & (candidates <= 1.0 + 1e-6)).flatten(1).all(1)
    candidates = candidates.clamp(0.0, 1.0)
    with torch.no_grad():
        wrong = load(task.network)(candidates).argmax(1) != task.y
    sizes = task.threat.distance(candidates, task.x)
    slack = tolerance(task.norm, task.eps) if math.isfinite(task.eps) else 0.0
    return sizes.where(boxed & wrong & (sizes <= task.eps + slack), torch.inf).tolist()


def finite(size: float) -> float | None:
    """None, which JSON has, for infinity, which it has not."""
    return size if math.isfinite(size) else None


def ours(*attacks: Attack, seed: int = 0, after: Callable[[Attack, Tensor], None] | None = None) -> Search:
    """Attacks one after the other, each of which knows what those before it found, as the engine runs them.

    `after` is told each attack that ran and the best examples so far, `(N, …)`.
    """

    def search(model: nn.Module, task: Problem) -> Tensor:
        target, rows = target_of(model, CLASSES), torch.arange(len(task.x))
        ledger = Ledger.open(task.x, task.y, task.threat, CLASSES, margin=0.0, deadline=math.inf)
        for attack in attacks:
            view, rng = View(target, ledger, attack.access), Rng.keyed(seed, attack.label, rows)
            try:
                last = attack.perturb(view, task.x.clone(), task.y.clone(), task.threat, rng)
                view.labels(last.clamp(0.0, 1.0) if task.threat.minimal else task.threat.project(last, task.x))
            except Finished:
                break
            if after:
                after(attack, ledger.best.clone())
        return ledger.best

    return search


def seeded(search: Search, seed: int) -> Search:
    """A peer's attack, which draws from the global streams, begun at a seed of its own."""

    def begun(model: nn.Module, task: Problem) -> Tensor:
        torch.manual_seed(seed)
        np.random.seed(seed)
        return search(model, task)

    return begun


def adv_lib(name: str) -> types.ModuleType:
    """A module below `adv_lib.attacks`."""
    # adv-lib imports visdom for plots that are never drawn here.
    sys.modules.setdefault("visdom", types.ModuleType("visdom")).__dict__.setdefault("Visdom", object)
    return module(f"adv_lib.attacks.{name}")


def module(name: str) -> types.ModuleType:
    """A peer's module. Raises Absent where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise Absent(f"{name.partition('.')[0]} cannot be imported: {error}") from error


def foolbox_search(attack: Callable[[Any], Any], targets: Tensor | None = None) -> Search:
    """A Foolbox attack, given its module of attacks; `targets` are classes to reach, `(N,)`."""

    def search(model: nn.Module, task: Problem) -> Tensor:
        foolbox = module("foolbox")
        wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
        criterion = task.y if targets is None else foolbox.criteria.TargetedMisclassification(targets)
        epsilon = None if math.isinf(task.eps) else task.eps
        _, clipped, _ = attack(foolbox.attacks)(wrapped, task.x, criterion, epsilons=epsilon)
        return torch.as_tensor(clipped)

    return search


def art_search(attack: Callable[[Any, Any], Any]) -> Search:
    """An ART attack, given its module of evasion attacks and a classifier."""

    def search(model: nn.Module, task: Problem) -> Tensor:
        made = attack(module("art.attacks.evasion"), art_classifier(model, task))
        return torch.from_numpy(made.generate(task.x.numpy(), task.y.numpy()))

    return search


def art_classifier(model: nn.Module, task: Problem) -> Any:
    """The network as ART takes it."""
    return module("art.estimators.classification").PyTorchClassifier(
        model=model,
        loss=nn.CrossEntropyLoss(),
        input_shape=tuple(task.x.shape[1:]),
        nb_classes=CLASSES,
        clip_values=(0.0, 1.0),
        device_type="cpu",
    )


def torchattacks_search(attack: Callable[[Any, nn.Module], Any]) -> Search:
    """A torchattacks attack, given its module and the network."""
    return lambda model, task: attack(module("torchattacks"), model)(task.x, task.y)
