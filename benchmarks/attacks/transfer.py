"""Attacks made for transfer beside torchattacks': how often they fool their surrogate, and how often other networks.

A record's `transfer` is the share of samples fooled in each other network, of those that it gets right. Attacks run
to their end: a sample that fell on the surrogate is attacked further, as peers do. Random ones run with three seeds.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from auditor.attack import Attack
from auditor.engine.ledger import Ledger
from auditor.engine.view import View
from auditor.rng import Rng
from auditor.testing.oracles import target_of
from auditor.types import Norm
from auditor_attacks.difgsm import DIFGSM
from auditor_attacks.mifgsm import MIFGSM
from auditor_attacks.nifgsm import NIFGSM
from auditor_attacks.pgd import PGD
from auditor_attacks.sifgsm import SIFGSM
from auditor_attacks.tifgsm import TIFGSM
from auditor_attacks.transfer import Transfer
from auditor_attacks.vmifgsm import VMIFGSM
from benchmarks.attacks.common import CLASSES, Cell, Problem, Search, problem, torchattacks_search
from benchmarks.networks import NETWORKS, load

# Budgets at which some samples transfer, and not all.
SURROGATES = {
    "mnist-plain": 0.25,
    "mnist-pgd": 0.3,
    "mnist-trades": 0.3,
    "color-plain": 32 / 255,
    "color-pgd": 24 / 255,
    "color-trades": 24 / 255,
}
_SIZE = 0.25
_SEEDS = (0, 1, 2)

# Ours, and what torchattacks calls the same, with what it needs beyond step size and steps.
PAIRS: dict[str, tuple[Attack, str, dict[str, Any]]] = {
    "mi": (MIFGSM(), "MIFGSM", {}),
    "ni": (NIFGSM(), "NIFGSM", {}),
    "di": (DIFGSM(momentum=0.0), "DIFGSM", {}),
    "mi-di": (DIFGSM(), "DIFGSM", {"decay": 1.0}),
    "ti": (TIFGSM(momentum=0.0, radius=7), "TIFGSM", {"diversity_prob": 0.0}),
    "ti-di": (Transfer(start="clean", momentum=0.0, radius=7, neighbours=0), "TIFGSM", {}),
    "si-ni": (SIFGSM(), "SINIFGSM", {}),
    "vmi": (VMIFGSM(), "VMIFGSM", {}),
    "vni": (VMIFGSM(nesterov=True), "VNIFGSM", {}),
}
_RANDOM = {"di", "mi-di", "ti-di", "vmi", "vni", "pgd", "transfer"}


def cells(network: tuple[str, ...] = tuple(SURROGATES), samples: int = 300) -> Iterator[Cell]:
    for name in network:
        task = problem(name, Norm.LINF, samples, SURROGATES[name])
        seen = functools.partial(transferred, victims=_relatives(name))
        for attack, (mine, theirs, further) in PAIRS.items():
            for seed in _SEEDS if attack in _RANDOM else _SEEDS[:1]:
                said = {"steps": 10, "step_size": _SIZE, "seed": seed}
                equal = replace(mine, step_size=_SIZE)  # type: ignore[call-arg]
                yield Cell(task, "auditor", attack, surrogate(equal, seed), said, seen)
                # torchattacks smooths three channels.
                if task.x.shape[1] == 3 or theirs != "TIFGSM":
                    yield Cell(task, "torchattacks", attack, _peer(theirs, task.eps, seed, further), said, seen)
        for attack, mine in (("pgd", PGD(steps=10, step_size=_SIZE)), ("transfer", Transfer())):
            for seed in _SEEDS:
                yield Cell(task, "auditor", attack, surrogate(mine, seed), {"seed": seed}, seen)


def surrogate(attack: Attack, seed: int) -> Search:
    """One of ours, run to its end: with an infinite margin no sample falls."""

    def search(model: nn.Module, task: Problem) -> Tensor:
        ledger = Ledger.open(task.x, task.y, task.threat, CLASSES, margin=math.inf, deadline=math.inf)
        rng = Rng.keyed(seed, attack.label, torch.arange(len(task.x)))
        view = View(target_of(model, CLASSES), ledger, attack.access)
        return task.threat.project(attack.perturb(view, task.x, task.y, task.threat, rng), task.x)

    return search


def transferred(task: Problem, candidates: Tensor, victims: tuple[str, ...]) -> dict[str, Any]:
    """The share of samples that are right in a victim and whose candidates are wrong there, for each victim."""
    shares = {}
    with torch.no_grad():
        for name in victims:
            right = load(name)(task.x).argmax(1) == task.y
            wrong = load(name)(candidates).argmax(1) != task.y
            shares[name] = round(float((wrong & right).sum() / right.sum()), 4)
    return {"transfer": shares}


def _relatives(name: str) -> tuple[str, ...]:
    """The other networks on the same data that are modules."""
    data = NETWORKS[name].data
    others = (other for other, entry in NETWORKS.items() if entry.data == data and not entry.quantised)
    return tuple(other for other in others if other != name)


def _peer(name: str, eps: float, seed: int, further: dict[str, Any]) -> Search:
    def search(model: nn.Module, task: Problem) -> Tensor:
        torch.manual_seed(seed)
        return made(model, task)

    made = torchattacks_search(
        lambda peers, model: getattr(peers, name)(model, eps=eps, alpha=_SIZE * eps, steps=10, **further)
    )
    return search
