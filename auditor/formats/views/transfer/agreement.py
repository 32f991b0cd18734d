"""Whether models that err on the same clean samples also fall to the same examples."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from auditor.formats.views.transfer.order import Closeness, closeness
from auditor.result.transfer import TransferResult

_MODELS = 5
"""Fewer models make so few pairs that no order of them would be remarkable."""
_ALL = 5040
"""Orders of the models that are tried at most: all of up to seven models, else so many drawn ones."""


@dataclass(frozen=True)
class Explained:
    """Spearman's rank correlation, over pairs of models, between agreement of clean errors and transfer.

    `p` is the share of all orders of the models that would give a correlation as far from 0 (Mantel 1967): pairs that
    share a model are not independent, and this allows for it.
    """

    correlation: float
    p: float
    pairs: int


def explained(result: TransferResult) -> Explained | None:
    """None with fewer than five models of which all pairs are known, or where one of the two is the same for all."""
    kappa = {frozenset((a.first, a.second)): a.kappa for a in result.agreements if a.kappa is not None}
    travels = closeness(cell for matrix in result.matrices for cell in matrix.cells)
    models = _complete(result.models, kappa.keys() & travels.keys())
    if len(models) < _MODELS:
        return None
    pairs = list(itertools.combinations(range(len(models)), 2))
    one = _matrix(models, {pair: value for pair, value in kappa.items() if value is not None})
    other = _matrix(models, travels)
    first, second = _ranks([one[i][j] for i, j in pairs]), _ranks([other[i][j] for i, j in pairs])
    if len(set(first)) == 1 or len(set(second)) == 1:
        return None
    measured = _correlation(first, second)
    place = {pair: at for at, pair in enumerate(pairs)}
    as_far = tried = 0
    for order in _orders(len(models)):
        moved = [second[place[min(order[i], order[j]), max(order[i], order[j])]] for i, j in pairs]
        as_far += abs(_correlation(first, moved)) >= abs(measured) - 1e-9
        tried += 1
    return Explained(measured, as_far / tried, len(pairs))


def _complete(models: Sequence[str], known: set[frozenset[str]]) -> list[str]:
    """Models of which every pair is known: those with the fewest pairs are left out, one after the other."""
    left = list(models)
    while left:
        missing = {a: sum(frozenset((a, b)) not in known for b in left if b != a) for a in left}
        worst = max(left, key=lambda name: missing[name])
        if not missing[worst]:
            break
        left.remove(worst)
    return left


def _matrix(models: Sequence[str], values: Closeness) -> list[list[float]]:
    return [[0.0 if a == b else values[frozenset((a, b))] for b in models] for a in models]


def _orders(count: int) -> list[tuple[int, ...]]:
    """All orders of so many models, or as many drawn ones, the given order among them."""
    if math.factorial(count) <= _ALL:
        return list(itertools.permutations(range(count)))
    draw, names = random.Random(0), tuple(range(count))
    return [names, *(tuple(draw.sample(names, count)) for _ in range(_ALL - 1))]


def _ranks(values: Sequence[float]) -> list[float]:
    """From 1; equal values share the mean of theirs."""
    order = sorted(values)
    first = {value: order.index(value) for value in set(values)}
    return [first[value] + (order.count(value) + 1) / 2.0 for value in values]


def _correlation(a: Sequence[float], b: Sequence[float]) -> float:
    x, y = fmean(a), fmean(b)
    up = sum((p - x) * (q - y) for p, q in zip(a, b, strict=True))
    return up / math.sqrt(sum((p - x) ** 2 for p in a) * sum((q - y) ** 2 for q in b))
