"""Rotations and shifts beside Foolbox's, on the same grid of angles and shifts; black where nothing comes from.

ART chooses one rotation and shift for a whole batch, which is another question, and is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from auditor.engine.ledger import Ledger
from auditor.engine.view import Finished, View
from auditor.rng import Rng
from auditor.testing.oracles import target_of
from auditor.types import Norm, Threat
from auditor_attacks.spatial import Spatial
from auditor_attacks.spatial_pgd import SpatialPGD
from benchmarks.attacks.common import CLASSES, module, problem
from benchmarks.evaluation.counting import Clock, Counted
from benchmarks.networks import load

THREAT = Threat(norm=Norm.SPATIAL, eps=1.0, rotation=12.0, translation=1.0)
NETWORKS = ("mnist-plain", "mnist-pgd", "color-plain", "color-pgd")
GRID = {"rotations": 11, "shifts": 5}


def records(network: tuple[str, ...] = NETWORKS, samples: int = 100) -> Iterator[dict[str, Any]]:
    torch.set_num_threads(1)
    for name in network:
        task = problem(name, Norm.LINF, samples)
        for tool, attack, parameters, search in _searches():
            model = Counted(load(name))
            with Clock() as clock:
                fallen = search(model, task.x, task.y)
            yield {
                "family": "spatial",
                "norm": "spatial",
                "network": name,
                "eps": 1.0,
                "tool": tool,
                "attack": attack,
                "parameters": parameters,
                "samples": len(task.x),
                "forwards": model.log.forwards,
                "backwards": model.log.backwards,
                "seconds": round(clock.cpu, 3),
                "success": float(fallen.float().mean()),
                "median": None,
            }


def _searches() -> Iterator[tuple[str, str, dict[str, Any], Callable[[nn.Module, Tensor, Tensor], Tensor]]]:
    random = {"search": "random", "draws": 10}
    yield "auditor", "spatial-grid", GRID, _ours(Spatial(**GRID))
    yield "foolbox", "spatial-grid", GRID, _foolbox
    yield "auditor", "spatial-random", random, _ours(Spatial(**random))
    yield "auditor", "spatial-pgd", {"steps": 20, "restarts": 2}, _ours(SpatialPGD(steps=20, restarts=2))
    yield "auditor", "suite standard", {}, _ours(Spatial(**random), Spatial(), SpatialPGD(steps=20, restarts=2))


def _ours(*attacks: Any) -> Callable[[nn.Module, Tensor, Tensor], Tensor]:
    def search(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        ledger = Ledger.open(x, y, THREAT, CLASSES, margin=0.0, deadline=float("inf"))
        for attack in attacks:
            rng = Rng.keyed(0, attack.label, torch.arange(len(x)))
            try:
                attack.perturb(
                    View(target_of(model, CLASSES), ledger, attack.access), ledger.origin.clone(), y, THREAT, rng
                )
            except Finished:
                break
        return ledger.found

    return search


def _foolbox(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    foolbox = module("foolbox")
    attack = foolbox.attacks.SpatialAttack(
        max_translation=THREAT.translation,
        max_rotation=THREAT.rotation,
        num_translations=GRID["shifts"],
        num_rotations=GRID["rotations"],
    )
    _, _, fallen = attack(foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu"), x, y)
    return torch.as_tensor(fallen)
