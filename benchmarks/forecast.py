"""How well auditor/result/forecast.py foretells: long searches on many networks, and what they found after each point.

    python -m benchmarks.forecast            # the table, from the stored fall times
    python -m benchmarks.forecast --fit      # the constants that fit best
    python -m benchmarks.forecast --search   # makes the fall times anew: about half an hour of one core

A search is a sequence of attacks, each on what still stands, far longer than a suite. For every sample it keeps the
passes (forwards and backwards) spent on it when it fell. From the falls up to a budget the falls up to twice that
budget are foretold, and compared with what happened. Constants were chosen on the networks marked `fit`; the table is
of the others, which had no part in it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count, product
from pathlib import Path
from statistics import fmean
from typing import TypeAlias

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.stats import betabinom
from torch import Tensor, nn

from auditor.attack import Attack
from auditor.engine.ledger import Ledger
from auditor.engine.view import Finished, Gradient, Loss, View
from auditor.result.forecast import DECAY, PRIOR, SPREAD, forecast, lately
from auditor.rng import Rng
from auditor.target.base import Target
from auditor.types import Norm, Threat
from auditor_attacks.apgd import APGD
from auditor_attacks.fgsm import FGSM
from auditor_attacks.noise import Noise
from auditor_attacks.pgd import PGD
from auditor_attacks.square import Square
from benchmarks.networks import NETWORKS, Network, load, test_samples
from benchmarks.networks.architectures import KWinners
from benchmarks.networks.table import Recipe
from benchmarks.networks.training import train
from benchmarks.peers import target_of

STORED = Path(__file__).parent / "forecast.json"
FIRST = 32.0
"""Passes from which on a search is foretold."""
CAP = 3000
"""Passes on a sample after which a search ends."""
SAMPLES = 150

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
    "gradients": _GRADIENTS,
    "queries": _QUERIES,
    # The kinds change: what the first kind left may fall to the second at once.
    "gradients-queries": (Noise(draws=10), FGSM(), *_GRADIENTS, *_QUERIES),
    "queries-gradients": (*_QUERIES, *_GRADIENTS),
}


Curve: TypeAlias = tuple[tuple[int, ...], tuple[tuple[str, int], ...]]


@dataclass(frozen=True)
class Case:
    """A network and the budgets at which it is attacked; `fit` says whether constants may be chosen on it."""

    name: str
    fit: bool
    model: Callable[[], nn.Module]
    budgets: tuple[tuple[Norm, float], ...]
    searches: tuple[str, ...] = ("restarts", "queries", "gradients-queries", "queries-gradients")


@dataclass(frozen=True)
class Falls:
    """What one search found: passes spent on each sample that fell, when it fell, out of `n`, of which the model got
    `right` ones right; `phases` names the
    attacks in order, with the passes spent on a sample that stood at the end of each."""

    network: str
    fit: bool
    norm: str
    eps: float
    search: str
    n: int
    right: int
    fell: tuple[int, ...]
    phases: tuple[tuple[str, int], ...]


class Spent(Exception):
    """The search has had its passes."""


class Watched(View):
    """A view that counts the passes spent on each row until it falls."""

    def __init__(self, target: Target, ledger: Ledger, attack: Attack, spent: Tensor, cap: int) -> None:
        super().__init__(target, ledger, attack.access)
        self.spent, self.cap = spent, cap

    def gradient(self, x: Tensor, y: Tensor, loss: Loss) -> Gradient:
        self._pay(2)
        return super().gradient(x, y, loss)

    def logits(self, x: Tensor) -> Tensor:
        self._pay(1)
        return super().logits(x)

    def labels(self, x: Tensor) -> Tensor:
        self._pay(1)
        return super().labels(x)

    def _pay(self, passes: int) -> None:
        standing = self.active
        if int(self.spent.amax()) >= self.cap:
            raise Spent
        self.spent += passes * standing


def search(model: nn.Module, x: Tensor, y: Tensor, threat: Threat, attacks: Sequence[Attack], cap: int) -> Curve:
    """Round after round of the attacks, each round with randomness of its own, until `cap` passes."""
    target = target_of(model)
    spent = torch.zeros(len(x), dtype=torch.int64)
    standing = (model(x).argmax(1) == y).nonzero().squeeze(1)
    fell: list[int] = []
    phases: list[tuple[str, int]] = []
    at = 0
    for turn in count():
        for attack in attacks:
            ledger = Ledger.open(x[standing], y[standing], threat, target.num_classes, 0.0, float("inf"))
            paid = spent[standing]
            view = Watched(target, ledger, attack, paid, cap)
            rng = Rng.keyed(turn, attack.label, standing)
            with suppress(Finished, Spent):
                found = attack.perturb(view, x[standing], y[standing], threat, rng)
                view.labels(threat.project(found, x[standing]))
            fell += paid[~ledger.active].tolist()
            at = int(paid.amax())
            standing = standing[ledger.active]
            spent[:] = at
            phases.append((attack.label, at))
            if at >= cap or not len(standing):
                return tuple(sorted(fell)), tuple(phases)
    raise AssertionError


def dense(width: int, activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Module:
    """One hidden layer for 1 x 28 x 28."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, width), activation(), nn.Linear(width, 10))


def small(activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Module:
    """One strided convolution and a dense layer for 1 x 28 x 28."""
    return nn.Sequential(nn.Conv2d(1, 8, 5, stride=3), activation(), nn.Flatten(), nn.Linear(8 * 64, 10))


def _trained(build: Callable[[], nn.Module], recipe: Recipe, seed: int) -> nn.Module:
    return train(Network("mnist", build, recipe, eps=recipe.eps), seed)


def _cases() -> Iterator[Case]:
    plain, hardened, strong = Recipe("plain", 4), Recipe("pgd", 8, 0.1, steps=4), Recipe("pgd", 8, 0.2, steps=5)
    linf, l2 = Norm.LINF, Norm.L2
    weak = ((linf, 0.05), (l2, 0.8))
    middle = ((linf, 0.12), (l2, 1.2))
    far = ((linf, 0.18), (l2, 1.5))
    winners = partial(KWinners, 0.1, 4)
    made = [
        ("dense-plain", True, partial(dense, 32), plain, weak),
        ("small-plain", False, small, plain, weak),
        ("dense-pgd", True, partial(dense, 48), hardened, middle),
        ("small-pgd", False, small, hardened, middle),
        ("silu-pgd", True, partial(dense, 64, nn.SiLU), strong, far),
        ("tanh-pgd", False, partial(dense, 32, nn.Tanh), strong, far),
        ("dense-winners", True, partial(dense, 128, winners), plain, weak),
        ("small-winners", False, partial(small, winners), plain, weak),
        ("small-trades", True, partial(small, nn.SiLU), Recipe("trades", 8, 0.15, steps=4), middle),
        ("dense-strong", True, partial(dense, 96), strong, ((linf, 0.2), (l2, 2.0))),
        ("gelu-pgd", False, partial(dense, 24, nn.GELU), hardened, middle),
        ("wide-strong", False, partial(small, nn.GELU), strong, far),
    ]
    for seed, (name, fit, build, recipe, budgets) in enumerate(made, 1):
        yield Case(name, fit, partial(_trained, build, recipe, seed), budgets)
    for name, network in NETWORKS.items():
        if network.data == "mnist" and not network.quantised:
            budgets = ((network.norm, network.eps), (l2, 1.0))
            yield Case(name, False, partial(load, name), budgets, searches=tuple(SEARCHES))


def make(only: Sequence[str]) -> None:
    """Search on every case (or those named) and store what fell when; what is stored of others stays."""
    torch.set_num_threads(1)
    for case in _cases():
        if only and case.name not in only:
            continue
        model = case.model()
        x, y = (part[:SAMPLES] for part in test_samples("mnist"))
        for (norm, eps), name in product(case.budgets, case.searches):
            fell, phases = search(model, x, y, Threat(norm=norm, eps=eps), SEARCHES[name], CAP)
            right = int((model(x).argmax(1) == y).sum())
            falls = Falls(case.name, case.fit, str(norm), eps, name, len(x), right, fell, phases)
            same = (falls.network, falls.norm, falls.eps, falls.search)
            kept = [one for one in stored() if (one.network, one.norm, one.eps, one.search) != same]
            lines = ",\n".join(json.dumps(asdict(one)) for one in [*kept, falls])
            STORED.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
            print(f"{case.name} {norm} {eps:.4g} {name}: {len(fell)} of {len(x)} fell", flush=True)


def stored() -> tuple[Falls, ...]:
    """The fall times that were kept."""
    if not STORED.exists():
        return ()
    return tuple(Falls(**one) for one in json.loads(STORED.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Point:
    """A place in a search: what was known at `spent` passes, and what twice the passes brought.

    `changed` says whether an attack began meanwhile that had not been tried before.
    """

    falls: Falls
    spent: int
    fell: tuple[int, ...]
    standing: int
    truth: int
    changed: bool


def points(falls: Falls) -> Iterator[Point]:
    """Places a factor of the root of two apart, as far as the search saw twice the passes."""
    end, begun, start = falls.phases[-1][1], set[str](), 0
    begins = []
    for label, stop in falls.phases:
        if label not in begun:
            begins.append(start)
        begun.add(label)
        start = stop
    spent = FIRST
    while 2 * spent <= end:
        fell = tuple(passes for passes in falls.fell if passes <= spent)
        truth = sum(spent < passes <= 2 * spent for passes in falls.fell)
        changed = any(spent <= begin < 2 * spent for begin in begins)
        yield Point(falls, round(spent), fell, falls.right - len(fell), truth, changed)
        spent *= 2**0.5


def table() -> None:
    """Print how often the truth lay inside the stated range, and how wide that was."""
    places = [point for falls in stored() for point in points(falls) if point.standing]
    same = [point for point in places if not point.changed]
    groups = {
        "fitted networks, more of the same": [point for point in same if point.falls.fit],
        "held-out networks, more of the same": [point for point in same if not point.falls.fit],
        "the same, from 200 passes on": [p for p in same if not p.falls.fit and p.spent >= 200],
        "the same, of those nothing fell lately": [
            p for p in same if not p.falls.fit and p.spent >= 200 and not lately(p.fell, [p.spent])
        ],
        "all networks, an attack begins that was not tried before": [point for point in places if point.changed],
    }
    print(f"{len(stored())} searches of {len({falls.network for falls in stored()})} networks\n")
    print("| | places | claimed | inside | above the range | mean width, samples | points |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for (name, mine), confidence in product(groups.items(), (0.8, 0.9, 0.95)):
        told = [forecast(point.fell, point.standing, point.spent, confidence) for point in mine]
        pairs = list(zip(told, mine, strict=True))
        inside = fmean(one.low <= point.truth <= one.high for one, point in pairs)
        above = fmean(point.truth > one.high for one, point in pairs)
        width = fmean(one.high - one.low for one in told)
        share = fmean((one.high - one.low) / point.falls.n for one, point in pairs)
        print(f"| {name} | {len(mine)} | {confidence:.0%} | {inside:.1%} | {above:.1%} | {width:.1f} | {share:.1%} |")


def fit() -> None:
    """Print the constants of auditor/result/forecast.py of highest likelihood on the networks marked `fit`."""
    mine = [point for falls in stored() if falls.fit for point in points(falls) if point.standing and not point.changed]
    late = np.array([lately(point.fell, [point.spent]) for point in mine])
    standing, truth = (np.array([getattr(point, name) for point in mine]) for name in ("standing", "truth"))

    def surprise(logs: np.ndarray) -> float:
        prior, decay, spread = np.exp(logs)
        hazard = np.minimum(decay * (late + prior) / (late + standing + 2.0 * prior), 1.0 - 1e-9)
        shape = 1.0 / (1.0 / (late + prior) + spread)
        return -float(betabinom.logpmf(truth, standing, shape, shape * (1.0 - hazard) / hazard).sum())

    best = minimize(surprise, np.log([PRIOR, DECAY, SPREAD]), method="Nelder-Mead")
    print(f"{len(mine)} places: prior, decay, spread {np.exp(best.x).round(3)}; surprise {best.fun:.1f}, ", end="")
    print(f"with the constants in use {surprise(np.log([PRIOR, DECAY, SPREAD])):.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--search", nargs="*", metavar="NETWORK", help="make the fall times anew, all or of these")
    parser.add_argument("--fit", action="store_true", help="print the constants that fit best")
    arguments = parser.parse_args()
    if arguments.search is not None:
        make(arguments.search)
    elif arguments.fit:
        fit()
    else:
        table()


if __name__ == "__main__":
    main()
