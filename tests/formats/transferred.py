"""Transfer records made by hand, from tables of rates."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from auditor.result.statistics import wilson
from auditor.result.transfer import (
    Agreement,
    ClassCount,
    TransferCell,
    TransferMatrix,
    TransferResult,
    TransferSource,
)
from auditor.types import Norm

Rates = Mapping[tuple[str, str], float]

FAMILIES = {"conv-a": 0, "mlp-a": 1, "conv-b": 0, "hard-a": 2, "mlp-b": 1, "conv-c": 0, "hard-b": 2}
"""Models in an order that mixes them, with the family of each."""


def cell(source: str, target: str, rate: float, n: int = 200, noise: float = 0.02, **known: Any) -> TransferCell:
    fooled = round(rate * n)
    told = {"noise": round(noise * n), "direct": round(0.95 * n), "agreed": fooled // 2} | known
    return TransferCell(
        source=source, target=target, among=n, fooled=fooled, rate=fooled / n, interval=wilson(fooled, n), **told
    )


def matrix(
    rates: Rates,
    n: int = 200,
    groups: Mapping[str, tuple[str, ...]] | None = None,
    attack: str = "mifgsm",
    eps: float = 8 / 255,
    **known: Any,
) -> TransferMatrix:
    """The names that occur as sources are models, but for `groups`, which say their members."""
    members = {name: (name,) for name, _ in rates} | dict(groups or {})
    sources = [
        TransferSource(name=name, members=of, status="ran", attacked=n, seconds=1.0, forwards=9 * n, backwards=9 * n)
        for name, of in members.items()
    ]
    return TransferMatrix(
        norm=Norm.LINF,
        eps=eps,
        attack=attack,
        parameters={"steps": 10},
        sources=tuple(sources),
        targets=tuple(dict.fromkeys(target for _, target in rates)),
        cells=tuple(cell(*pair, rate, n, **known) for pair, rate in rates.items()),
    )


def result(
    *matrices: TransferMatrix, kappas: Mapping[tuple[str, str], float | None] | None = None, n: int = 200
) -> TransferResult:
    agreements = tuple(
        Agreement(first=a, second=b, both_wrong=1, first_wrong=9, second_wrong=9, same_wrong_label=1, n=n, kappa=kappa)
        for (a, b), kappa in (kappas or {}).items()
    )
    models = dict.fromkeys(name for source in matrices[0].sources for name in source.members)
    return TransferResult(
        models=tuple(models | dict.fromkeys(matrices[0].targets)), matrices=matrices, agreements=agreements, seconds=3.0
    )


def families(names: Sequence[str] = tuple(FAMILIES), within: float = 0.7, across: float = 0.2) -> Rates:
    """High rates within a family, low ones across; what is made on the hardened ones and tried on them, lower still."""
    rates = {}
    for a, b in itertools.product(names, names):
        same = FAMILIES[a] == FAMILIES[b]
        hard = 0.5 if 2 in (FAMILIES[a], FAMILIES[b]) and a != b else 1.0
        rates[a, b] = 0.97 if a == b else hard * (within if same else across)
    return rates


def with_classes(made: TransferMatrix, rates: Sequence[float]) -> TransferMatrix:
    """The same matrix with a class for each of `rates`, all of one size."""
    cells = []
    for each in made.cells:
        among = each.among // len(rates)
        lines = tuple(ClassCount(label=i, among=among, fooled=round(rate * among)) for i, rate in enumerate(rates))
        cells.append(each.model_copy(update={"classes": lines}))
    return made.model_copy(update={"cells": tuple(cells)})
