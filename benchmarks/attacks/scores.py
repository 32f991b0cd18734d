"""Attacks that see scores only, inside a ball, ours and the peers' with the same number of queries for each sample.

Peers ask on after a sample fell, or count differently; the lines say how many passes each of them spent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

from torch import Tensor, nn
from torch.nn import functional

from auditor.attack import Attack
from auditor.types import Norm
from auditor_attacks.genattack import GenAttack
from auditor_attacks.nes import NES
from auditor_attacks.one_pixel import OnePixel
from auditor_attacks.simba import SimBA
from auditor_attacks.sparse_rs import SparseRS
from auditor_attacks.spsa import SPSA
from auditor_attacks.square import Square
from benchmarks.attacks.common import (
    Cell,
    Problem,
    Search,
    art_search,
    foolbox_search,
    ours,
    problem,
    torchattacks_search,
)
from benchmarks.networks import NETWORKS as ENTRIES
from benchmarks.networks import load

NETWORKS = ("mnist-plain", "mnist-kwinners", "color-plain")
EPS = {
    Norm.L2: {"mnist-plain": 1.5, "mnist-kwinners": 1.5, "color-plain": 0.8},
    Norm.L0: {"mnist-plain": 10, "mnist-kwinners": 6, "color-plain": 12},
}
PIXELS = {"mnist": 3, "color": 1}
"""Of what the one-pixel attacks change."""

Peer: TypeAlias = tuple[str, str, Search, dict[str, Any]]


def cells(network: tuple[str, ...] = NETWORKS, samples: int = 40, queries: int = 1000) -> Iterator[Cell]:
    for name in network:
        for task, rivals in _tasks(name, samples):
            for tool, attack, search, parameters in rivals(task, queries):
                yield Cell(task, tool, attack, search, {"queries": queries} | parameters)


def _tasks(name: str, samples: int) -> Iterator[tuple[Problem, Callable[[Problem, int], Iterator[Peer]]]]:
    yield problem(name, Norm.LINF, samples, ENTRIES[name].eps), _linf
    yield problem(name, Norm.L2, samples, EPS[Norm.L2][name]), _l2
    yield problem(name, Norm.L2, samples), _smallest_l2
    yield problem(name, Norm.L0, samples, EPS[Norm.L0][name]), _l0
    channels = 3 if name.startswith("color") else 1
    yield problem(name, Norm.L0, samples, PIXELS[name.partition("-")[0]] * channels), _pixels


def _own(*attacks: Attack, name: str = "") -> Peer:
    return "auditor", name or attacks[0].label, ours(*attacks), {}


def _torchattacks(attack: str, name: str, **options: Any) -> Peer:
    return "torchattacks", attack, torchattacks_search(lambda ta, m: getattr(ta, name)(m, **options)), options


def _beside_square(attack: Callable[..., Attack], queries: int) -> Iterator[Peer]:
    """An attack with all queries, and with the second half of them on what Square left standing."""
    made, half = attack(queries=queries), queries // 2
    yield _own(made)
    yield _own(Square(queries=half), attack(queries=half), name=f"square, {made.label}")


def _linf(task: Problem, queries: int) -> Iterator[Peer]:
    yield _own(Square(queries=queries))
    for attack in (SPSA, NES, GenAttack):
        yield from _beside_square(attack, queries)
    yield _torchattacks("square", "Square", norm="Linf", eps=task.eps, n_queries=queries)
    # Each direction is asked about from both sides.
    steps = {"nb_iter": queries // 20, "nb_sample": 10, "lr": 0.4 * task.eps, "delta": 0.1 * task.eps}
    yield _torchattacks("spsa", "SPSA", eps=task.eps, **steps)
    # It must be told where to go: to the class that is next likeliest.
    targets = load(task.network)(task.x).topk(2, 1).indices[:, 1]
    generations = {"steps": queries // 10, "population": 10}
    yield "foolbox", "genattack", foolbox_search(lambda a: a.GenAttack(**generations), targets), generations


def _l2(task: Problem, queries: int) -> Iterator[Peer]:
    yield _own(Square(queries=queries))
    for attack in (SimBA, partial(SimBA, basis="pixel"), SPSA, NES):
        yield from _beside_square(attack, queries)
    yield _torchattacks("square", "Square", norm="L2", eps=task.eps, n_queries=queries)


def _smallest_l2(task: Problem, queries: int) -> Iterator[Peer]:
    for basis, kind in (("dct", "dct"), ("pixel", "px")):
        yield _own(SimBA(queries=queries, basis=basis))
        # A step asks one question or two.
        options = {"attack": kind, "epsilon": 0.2, "max_iter": queries * 2 // 3, "freq_dim": task.x.shape[2] // 4}
        simba = partial(_art, "SimBA", **options, verbose=False)
        yield "ART", f"simba-{basis}", _art_on_probabilities(simba), options


def _l0(task: Problem, queries: int) -> Iterator[Peer]:
    yield _own(SparseRS(queries=queries))
    yield from _pixels(task, queries)


def _pixels(task: Problem, queries: int) -> Iterator[Peer]:
    pixels = int(task.eps) // task.x.shape[1]
    yield _own(SparseRS(queries=queries, unit="pixel"), name="sparse-rs, pixels")
    made = OnePixel(queries=queries, pixels=pixels)
    yield _own(made)
    genes = pixels * (2 + task.x.shape[1])
    generations = max(queries // max(100, genes) - 1, 1)
    yield _torchattacks(made.label, "OnePixel", pixels=pixels, steps=generations, popsize=100)
    # Its populations have 400 members.
    options = {"th": pixels, "es": 1, "max_iter": max(queries // 400 - 1, 1)}
    yield "ART", made.label, _art_on_probabilities(partial(_art, "PixelAttack", **options)), options


def _art(name: str, evasion: Any, classifier: Any, **options: Any) -> Any:
    return getattr(evasion, name)(classifier, **options)


def _art_on_probabilities(attack: Callable[[Any, Any], Any]) -> Search:
    """ART's attacks on scores expect probabilities, and classes as rows with a one."""

    def search(model: nn.Module, task: Problem) -> Tensor:
        rows = replace(task, y=functional.one_hot(task.y, 10))
        return art_search(attack)(nn.Sequential(model, nn.Softmax(1)), rows)

    return search
