"""One change for all samples and one patch for all pictures, ours and ART's, learned on the same samples.

Both tools' patterns are put on pictures by the same lines: a patch lies in a place of each picture drawn at random.
What a pattern does to as many samples that it was not learned on stands under `transfers to`. ART brings a patch to the
size of the picture and back as it learns; its patches are learned at the size that they are judged at.

    pip install --no-deps torchvision    # ART's patches are turned and shrunk by it
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from auditor.engine.ledger import Ledger
from auditor.engine.view import View
from auditor.rng import Rng
from auditor.spaces import patch_side
from auditor.testing.oracles import target_of
from auditor.types import Norm
from auditor.universal import UniversalAttack
from auditor_attacks.adversarial_patch import AdversarialPatch
from auditor_attacks.uap import UAP
from benchmarks.attacks.common import CLASSES, Cell, Problem, art_classifier, judged, module, problem

BUDGETS = {
    "mnist-plain": {Norm.LINF: 0.15, Norm.L2: 2.5, Norm.PATCH: 0.1},
    "color-plain": {Norm.LINF: 0.05, Norm.L2: 1.5, Norm.PATCH: 0.1},
}
_P = {Norm.LINF: np.inf, Norm.L2: 2}

Learn: TypeAlias = Callable[[nn.Module, Problem], Tensor]
"""A network and samples to a pattern."""


@dataclass
class _Learned:
    """Learns a pattern, and keeps it for samples that it was not learned on."""

    learn: Learn
    attack: UniversalAttack
    pattern: Tensor = field(init=False)

    def search(self, model: nn.Module, task: Problem) -> Tensor:
        self.pattern = self.learn(model, task)
        return self._applied(task)

    def unseen(self, task: Problem, candidates: Tensor) -> dict[str, Any]:
        others = problem(task.network, task.norm, len(task.x), task.eps, skip=len(task.x))
        sizes = judged(others, self._applied(others))
        return {"transfer": {"unseen samples": sum(map(math.isfinite, sizes)) / len(sizes)}}

    def _applied(self, task: Problem) -> Tensor:
        rng = Rng.keyed(0, "places", torch.arange(len(task.x)))
        return task.threat.project(self.attack.apply(self.pattern, task.x, task.threat, rng), task.x)


def cells(network: tuple[str, ...] = tuple(BUDGETS), samples: int = 100) -> Iterator[Cell]:
    for name in network:
        for norm, eps in BUDGETS[name].items():
            task = problem(name, norm, samples, eps)
            attack = AdversarialPatch() if norm is Norm.PATCH else UAP()
            for tool, learn, said in ("auditor", _ours(attack), {}), *_peers(norm):
                learned = _Learned(learn, attack)
                yield Cell(task, tool, attack.label, learned.search, said, learned.unseen)


def _ours(attack: UniversalAttack) -> Learn:
    def learn(model: nn.Module, task: Problem) -> Tensor:
        # As in the engine: without a budget no sample falls, so all of them go on teaching.
        endless = replace(task.threat, eps=math.inf)
        ledger = Ledger.open(task.x, task.y, endless, CLASSES, margin=0.0, deadline=math.inf)
        view = View(target_of(model, CLASSES), ledger, attack.access)
        rng = Rng.keyed(0, f"{attack.name}/learn", torch.arange(len(task.x)))
        return attack.learn(view, task.x.clone(), task.y.clone(), task.threat, rng)

    return learn


def _peers(norm: Norm) -> Iterator[tuple[str, Learn, dict[str, Any]]]:
    if norm is Norm.PATCH:
        for rate in (0.02, 0.1):
            yield "ART", _art_patch(rate), {"learning_rate": rate}
        return
    for attacker, rounds, options in (("deepfool", 2, {"max_iter": 10}), ("pgd", 5, {"max_iter": 10})):
        yield "ART", _art_change(attacker, rounds, options), {"attacker": attacker, "rounds": rounds, **options}


def _art_change(attacker: str, rounds: int, options: dict[str, Any]) -> Learn:
    def learn(model: nn.Module, task: Problem) -> Tensor:
        inner = options | {"verbose": False}
        if attacker == "pgd":
            inner |= {"norm": _P[task.norm], "eps": task.eps, "eps_step": task.eps / 4}
        random.seed(0)  # the order in which it visits samples
        attack = module("art.attacks.evasion").UniversalPerturbation(
            art_classifier(model, task),
            attacker=attacker,
            attacker_params=inner,
            delta=0.0,
            max_iter=rounds,
            eps=task.eps,
            norm=_P[task.norm],
            batch_size=len(task.x),
            verbose=False,
        )
        attack.generate(task.x.numpy(), task.y.numpy())
        return torch.as_tensor(attack.noise)[0].float()

    return learn


def _art_patch(rate: float) -> Learn:
    def learn(model: nn.Module, task: Problem) -> Tensor:
        module("torchvision")
        height, width = task.x.shape[2:]
        side, ours = patch_side(task.eps, height, width), AdversarialPatch()
        share = side / min(height, width)
        attack = module("art.attacks.evasion").AdversarialPatchPyTorch(
            art_classifier(model, task),
            rotation_max=0.0,
            scale_min=share,
            scale_max=share,
            learning_rate=rate,
            max_iter=ours.steps * ours.batch // len(task.x),
            batch_size=ours.batch,
            patch_shape=(task.x.shape[1], side, side),
            patch_type="square",
            targeted=False,
            verbose=False,
        )
        patch, _ = attack.generate(task.x.numpy(), task.y.numpy())
        return torch.as_tensor(patch).float().clamp(0.0, 1.0)

    return learn
