"""Long searches by the engine's own attacks and count of passes: what fell, and when."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import count, product
from typing import TypeAlias

import torch
from torch import Tensor, nn

from auditor.attack import Attack
from auditor.engine.ledger import Ledger
from auditor.engine.suites import ALL, CLOSE, SUITES
from auditor.engine.view import Finished, View
from auditor.rng import Rng
from auditor.testing.oracles import target_of
from auditor.types import Threat
from auditor_attacks.apgd import APGD
from auditor_attacks.fgsm import FGSM
from auditor_attacks.noise import Noise
from auditor_attacks.pgd import PGD
from auditor_attacks.square import Square
from benchmarks.forecast.cases import cases
from benchmarks.forecast.falls import Falls, keep
from benchmarks.networks import test_samples

CAP = 3000
"""Passes on a sample after which a search ends."""
SAMPLES = 150
Curve: TypeAlias = tuple[tuple[int, ...], tuple[tuple[str, int], ...]]
"""`Falls.fell` and `Falls.phases`."""

_CLASSES: dict[str, type[Attack]] = {kind.name: kind for kind in (APGD, FGSM, Noise, Square)}
_GRADIENTS: tuple[Attack, ...] = (
    PGD(steps=10),
    APGD(steps=100),
    APGD(steps=50, loss="dlr-targeted", targets=4),
    APGD(steps=50, loss="dlr"),
)
_QUERIES: tuple[Attack, ...] = (Square(queries=500), Square(queries=1500))
SEARCHES: dict[str, tuple[Attack, ...]] = {
    # One kind of attack over and over: the curve of discoveries has no kinks.
    "restarts": (PGD(steps=10, loss="margin"),),
    "queries": _QUERIES,
    # The kinds change: what the first kind left may fall to the second at once.
    "gradients-queries": (Noise(draws=10), FGSM(), *_GRADIENTS, *_QUERIES),
    "queries-gradients": (*_QUERIES, *_GRADIENTS),
    # What a suite does, on everyone and again and again, from the closest points that it found.
    "standard": tuple(
        _CLASSES[name](**parameters) for name, parameters, among in SUITES["standard"] if among in (ALL, CLOSE)
    ),
}
_STORED_ONLY: dict[str, tuple[Attack, ...]] = {"gradients": _GRADIENTS}


def make(only: Sequence[str]) -> None:
    """Search on every case and store what fell when; of networks and searches, only those named, if any are. What is
    stored of others stays."""
    torch.set_num_threads(1)
    for case in cases():
        searches = SEARCHES | (_STORED_ONLY if case.stored else {})
        if case.name not in only and only:
            searches = {name: attacks for name, attacks in searches.items() if name in only}
        if not searches:
            continue
        model = case.model()
        x, y = (part[:SAMPLES] for part in test_samples("mnist"))
        right = model(x).argmax(1) == y
        for (norm, eps), (name, attacks) in product(case.budgets, searches.items()):
            fell, phases = search(model, x[right], y[right], Threat(norm=norm, eps=eps), attacks, CAP)
            keep(Falls(case.name, case.fit, str(norm), eps, name, len(x), int(right.sum()), fell, phases))
            print(f"{case.name} {norm} {eps:.4g} {name}: {len(fell)} of {int(right.sum())} fell", flush=True)


def search(model: nn.Module, x: Tensor, y: Tensor, threat: Threat, attacks: Sequence[Attack], cap: int) -> Curve:
    """Round after round of the attacks, each round with randomness of its own, until at least `cap` passes."""
    target = target_of(model, 10)
    standing, spent = torch.arange(len(x)), torch.zeros(len(x), dtype=torch.int64)
    closest, margin = x.clone(), torch.full((len(x),), -torch.inf)
    fell: list[int] = []
    phases: list[tuple[str, int]] = []
    for turn in count():
        for place, attack in enumerate(attacks):
            ledger = Ledger.open(x[standing], y[standing], threat, target.num_classes, 0.0, float("inf"))
            ledger.closest, ledger.closest_margin = closest[standing], margin[standing]
            view = View(target, ledger, attack.access)
            rng = Rng.keyed(turn, f"{attack.label} {place}", standing)
            with suppress(Finished):
                found = attack.perturb(view, x[standing], y[standing], threat, rng)
                view.labels(threat.project(found, x[standing]))
            closest[standing], margin[standing] = ledger.closest, ledger.closest_margin
            spent[standing] += ledger.passes
            fell += spent[standing[~ledger.active]].tolist()
            standing = standing[ledger.active]
            # Where nothing stands, the one that withstood longest tells how far the search went.
            at = int((spent[standing] if len(standing) else spent).amax())
            phases.append((attack.label, at))
            if at >= cap or not len(standing):
                return tuple(sorted(fell)), tuple(phases)
    raise AssertionError
