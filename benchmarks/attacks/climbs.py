"""Climbs within a budget beside those of the same name elsewhere: as many steps, as long, of the same loss.

The budgets are those that fool about half of the samples. Where a climb begins is random, so every tool climbs with
several seeds.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn

from auditor.rng import Rng
from auditor.types import Norm
from auditor_attacks.apgd import APGD
from auditor_attacks.fgsm import FGSM
from auditor_attacks.pgd import PGD
from benchmarks.attacks.common import (
    Cell,
    Problem,
    Search,
    adv_lib,
    art_search,
    foolbox_search,
    ours,
    problem,
    seeded,
    torchattacks_search,
)

BUDGETS = {
    "mnist-plain": {Norm.LINF: 0.08, Norm.L2: 1.15, Norm.L1: 8.0},
    "mnist-pgd": {Norm.LINF: 0.33, Norm.L2: 2.0, Norm.L1: 6.0},
    "color-pgd": {Norm.LINF: 0.1, Norm.L2: 1.3, Norm.L1: 8.0},
}
STEPS, TARGETS, LENGTH = 20, 3, 0.125
"""`LENGTH` of a step of pgd in units of the budget."""
SEEDS = 5
_P = {Norm.LINF: np.inf, Norm.L2: 2, Norm.L1: 1}
_NAMES = {Norm.LINF: "Linf", Norm.L2: "L2", Norm.L1: "L1"}
_LOSSES = {"ce": "cross_entropy", "dlr": "difference_logits_ratio"}


def cells(network: tuple[str, ...] = tuple(BUDGETS), samples: int = 200) -> Iterator[Cell]:
    for name in network:
        for norm, eps in BUDGETS[name].items():
            task = problem(name, norm, samples, eps)
            yield Cell(task, "auditor", FGSM().label, ours(FGSM()))
            yield from (Cell(task, tool, FGSM().label, search) for tool, search in _single_steps(norm, eps))
            for seed in range(SEEDS):
                said = {"seed": seed}
                for attack in _OURS:
                    yield Cell(task, "auditor", attack.label, ours(attack, seed=seed), said)
                for tool, label, search in _peers(norm, eps, seed):
                    yield Cell(task, tool, label, seeded(search, seed), said)


_OURS = (
    PGD(steps=STEPS, step_size=LENGTH),
    APGD(steps=STEPS),
    APGD(steps=STEPS, loss="dlr"),
    APGD(steps=STEPS, loss="dlr-targeted", targets=TARGETS),
)


def _single_steps(norm: Norm, eps: float) -> Iterator[tuple[str, Search]]:
    yield "foolbox", foolbox_search(lambda attacks: getattr(attacks, f"{_NAMES[norm]}FastGradientAttack")())
    yield "ART", art_search(partial(_made, "FastGradientMethod", norm=_P[norm], eps=eps, batch_size=200))
    if norm is Norm.LINF:
        yield "torchattacks", torchattacks_search(lambda ta, model: ta.FGSM(model, eps=eps))


def _peers(norm: Norm, eps: float, seed: int) -> Iterator[tuple[str, str, Search]]:
    yield from _foolbox(norm)
    yield from _art(norm, eps)
    if norm is Norm.L1:
        return
    yield from _torchattacks(norm, eps, seed)
    for loss in _LOSSES:
        yield "adv-lib", f"apgd-{loss}", _apgd("apgd", norm, eps, loss_function=loss)
    yield "adv-lib", "apgd-t", _apgd("apgd_targeted", norm, eps, num_targets=TARGETS)


def _foolbox(norm: Norm) -> Iterator[tuple[str, str, Search]]:
    kind = _NAMES[norm]
    options = {"rel_stepsize": LENGTH, "steps": STEPS}
    climb = foolbox_search(lambda attacks: getattr(attacks, f"{kind}ProjectedGradientDescentAttack")(**options))
    yield "foolbox", "pgd-ce", climb


def _art(norm: Norm, eps: float) -> Iterator[tuple[str, str, Search]]:
    made = partial(_made, norm=_P[norm], eps=eps, batch_size=200)
    climb = partial(made, "ProjectedGradientDescent", eps_step=LENGTH * eps, max_iter=STEPS, num_random_init=1)
    yield "ART", "pgd-ce", art_search(partial(climb, verbose=False))
    for loss, name in _LOSSES.items():
        options = {"eps_step": 2.0 * eps, "max_iter": STEPS, "nb_random_init": 1, "loss_type": name, "verbose": False}
        yield "ART", f"apgd-{loss}", art_search(partial(made, "AutoProjectedGradientDescent", **options))


def _made(name: str, evasion: Any, classifier: Any, **options: Any) -> Any:
    return getattr(evasion, name)(classifier, **options)


def _torchattacks(norm: Norm, eps: float, seed: int) -> Iterator[tuple[str, str, Search]]:
    climb = {"eps": eps, "alpha": LENGTH * eps, "steps": STEPS}
    pgd = {Norm.LINF: "PGD", Norm.L2: "PGDL2"}[norm]
    yield "torchattacks", "pgd-ce", torchattacks_search(lambda ta, model: getattr(ta, pgd)(model, **climb))
    fixed = {"norm": _NAMES[norm], "eps": eps, "steps": STEPS, "seed": seed}
    for loss in _LOSSES:
        search = torchattacks_search(partial(_apgd_there, loss=loss, **fixed))
        yield "torchattacks", f"apgd-{loss}", search
    # Its classes are counted with the true one.
    targeted = torchattacks_search(lambda ta, model: ta.APGDT(model, n_classes=TARGETS + 1, **fixed))
    yield "torchattacks", "apgd-t", targeted
    for loss in _LOSSES:
        begun = torchattacks_search(partial(_apgd_there, loss=loss, **fixed))
        yield "torchattacks, our starts", f"apgd-{loss}", _begun_alike(begun, f"apgd-{loss}", norm, seed)


def _begun_alike(search: Search, label: str, norm: Norm, seed: int) -> Search:
    """Its search from the points that ours begins at, whose directions it would draw itself."""

    def begun(model: nn.Module, task: Problem) -> Tensor:
        rows = torch.arange(len(task.x))
        rng = Rng.keyed(seed, label, rows).at(torch.zeros_like(rows))
        shape = task.x.shape[1:]
        drawn = rng.uniform(*shape) if norm is Norm.LINF else rng.normal(*shape)
        with patch.object(torch, "rand" if norm is Norm.LINF else "randn", lambda *_, **__: drawn):
            return search(model, task)

    return begun


def _apgd_there(torchattacks: Any, model: nn.Module, **options: Any) -> Any:
    return torchattacks.APGD(model, **options)


def _apgd(function: str, norm: Norm, eps: float, **options: Any) -> Search:
    def search(model: nn.Module, task: Problem) -> Tensor:
        attack = getattr(adv_lib("auto_pgd"), function)
        found: Tensor = attack(model, task.x, task.y, eps, float(_P[norm]), n_iter=STEPS, **options)
        return torch.as_tensor(found)

    return search
