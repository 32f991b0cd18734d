"""Attacks by labels alone beside those of ART and Foolbox, with about as many questions each.

`auditor` asks 1,000 questions of a sample; peers get the steps that come nearest to that, the boundary attacks 3,000.
Further rows tell what time can be saved: ours with so few questions that they come as near as ART's, and 1,000 forward
passes of the network with nothing around them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from auditor.attack import Attack
from auditor.types import Norm
from auditor_attacks.boundary import Boundary
from auditor_attacks.hopskipjump import HopSkipJump
from auditor_attacks.pointwise import Pointwise
from auditor_attacks.rays import RayS
from auditor_attacks.surfree import SurFree
from benchmarks.attacks.common import Cell, Problem, Search, art_search, foolbox_search, ours, problem

_ASKED = 1000
NEAR, NETWORK = "as near as ART's ", "the network"
"""Names of rows: ours with so few questions that it comes as near, and passes without an attack."""
_FEW: dict[Norm, dict[str, Attack]] = {
    Norm.L2: {
        "hopskipjump": HopSkipJump(queries=250, looks=25, grain=8),
        "geoda": SurFree(queries=25),
        "boundary": Boundary(queries=350),
    },
    Norm.LINF: {"hopskipjump": RayS(queries=80)},
}
_ART_NORMS = {Norm.L2: 2, Norm.LINF: np.inf}


def cells(network: tuple[str, ...] = ("mnist-plain", "color-plain"), samples: int = 64) -> Iterator[Cell]:
    for name in network:
        for norm, attacks in {
            Norm.L2: (HopSkipJump(queries=1000), SurFree(queries=1000), Boundary(queries=3000)),
            Norm.LINF: (HopSkipJump(queries=1000), RayS(queries=1000)),
            Norm.L0: (Pointwise(queries=1000),),
        }.items():
            task = problem(name, norm, samples)
            yield from (Cell(task, "auditor", a.name, ours(a), _parameters(a)) for a in attacks)
            yield from (Cell(task, tool, attack, search, said) for tool, attack, search, said in _peers(norm))
            few = _FEW.get(norm, {})
            yield from (Cell(task, "auditor", NEAR + art, ours(a), _parameters(a)) for art, a in few.items())
            if norm is Norm.L2:
                yield Cell(task, NETWORK, "nothing", _asked, {"queries": _ASKED})


def _asked(model: nn.Module, task: Problem) -> Tensor:
    with torch.no_grad():
        for _ in range(_ASKED):
            model(task.x)
    return task.x


def _parameters(attack: Attack) -> dict[str, Any]:
    said = {field.name: getattr(attack, field.name) for field in fields(attack)}
    return {f.name: said[f.name] for f in fields(attack) if f.name == "queries" or said[f.name] != f.default}


def _peers(norm: Norm) -> Iterator[tuple[str, str, Search, dict[str, Any]]]:
    if norm is Norm.L0:
        pointwise = foolbox_search(lambda attacks: attacks.PointwiseAttack(l2_binary_search=False))
        yield "foolbox", "pointwise", pointwise, {}
        return
    hop = {"max_iter": 5, "init_eval": 100}
    yield "ART", "hopskipjump", _art("HopSkipJump", norm=_ART_NORMS[norm], **hop), hop
    if norm is Norm.LINF:
        return
    yield "foolbox", "hopskipjump", foolbox_search(lambda attacks: attacks.HopSkipJumpAttack(steps=5)), {"steps": 5}
    yield "ART", "geoda", _art("GeoDA", norm=2, max_iter=1000), {"max_iter": 1000}
    # ART asks about `sample_size` directions at a time, and then as many times inwards.
    walk = {"max_iter": 100}
    yield "ART", "boundary", _art("BoundaryAttack", targeted=False, **walk), walk
    yield "foolbox", "boundary", foolbox_search(lambda attacks: attacks.BoundaryAttack(steps=3000)), {"steps": 3000}


def _art(name: str, **options: Any) -> Search:
    def made(evasion: Any, classifier: Any) -> Any:
        # ART's GeoDA asks NumPy for what NumPy 2 has under another name only; it stores its basis where it runs.
        vars(np).setdefault("mat", np.asmatrix)
        # Some of ART's attacks hand on float64, which its classifier does not cast.
        classifier._model.register_forward_pre_hook(lambda _, inputs: tuple(each.float() for each in inputs))
        return getattr(evasion, name)(classifier, verbose=False, **options)

    return art_search(made)
