"""Attacks that look for the smallest change, in four norms: each of ours and of the peers', and our suites.

The samples are those after the first 150: constants and suites were chosen by looking at earlier ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from auditor.attack import Attack
from auditor.engine.suites import SMALLEST
from auditor.types import Norm
from auditor_attacks import auditor_attacks
from auditor_attacks.alma import ALMA
from auditor_attacks.cw import CW
from auditor_attacks.cw_l0 import CWL0
from auditor_attacks.cw_linf import CWLinf
from auditor_attacks.ddn import DDN
from auditor_attacks.deepfool import DeepFool
from auditor_attacks.ead import EAD
from auditor_attacks.fab import FAB
from auditor_attacks.fmn import FMN
from auditor_attacks.jsma import JSMA
from auditor_attacks.lbfgs import LBFGS
from auditor_attacks.pdpgd import PDPGD
from auditor_attacks.sigma_zero import SigmaZero
from auditor_attacks.superdeepfool import SuperDeepFool
from benchmarks.attacks._minimal_peers import PEERS
from benchmarks.attacks.common import Cell, Problem, finite, judged, ours, problem

NETWORKS = ("mnist-plain", "mnist-pgd", "mnist-trades", "color-plain", "color-pgd")
SEEN = 150
NORMS = (Norm.L2, Norm.LINF, Norm.L1, Norm.L0)
# With the steps that the peers get.
OURS: tuple[Attack, ...] = (
    ALMA(steps=1000),
    DDN(steps=1000),
    FMN(steps=1000),
    PDPGD(steps=500),
    DeepFool(),
    SuperDeepFool(),
    FAB(steps=100, classes=9),
    FAB(steps=100, classes=9, aim="targets"),
    CW(),
    CWLinf(),
    CWL0(),
    EAD(),
    LBFGS(),
    SigmaZero(steps=1000),
    JSMA(),
)
_BY_NAME = {attack.name: attack for attack in auditor_attacks()}


def cells(network: tuple[str, ...] = NETWORKS, samples: int = 50) -> Iterator[Cell]:
    for name in network:
        for norm in NORMS:
            task = problem(name, norm, samples, skip=SEEN)
            for suite, recipes in SMALLEST.items():
                attacks = [_BY_NAME[attack](**options) for attack, options, _ in recipes[norm]]
                yield _suite(task, suite, attacks)
            for attack in OURS:
                if norm in attack.norms:
                    yield Cell(task, "auditor", attack.label, ours(attack))
            for peer in PEERS[norm]:
                yield Cell(task, peer.tool, peer.attack, peer.search, peer.parameters)


def _suite(task: Problem, name: str, attacks: list[Attack]) -> Cell:
    """Its record says under `steps` how far it was after each attack."""
    seen: list[tuple[Attack, Tensor]] = []

    def further(task: Problem, candidates: Tensor) -> dict[str, Any]:
        return {"steps": [[attack.label, [finite(size) for size in judged(task, best)]] for attack, best in seen]}

    search = ours(*attacks, after=lambda attack, best: seen.append((attack, best)))
    return Cell(task, "auditor", f"suite-{name}", search, further=further)
