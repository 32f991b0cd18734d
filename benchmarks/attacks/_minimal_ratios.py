"""What our suites reach of what all peers reach together, sample by sample, and what each of their steps adds."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np

from benchmarks.onnx_matrix.tables import table

Record: TypeAlias = dict[str, Any]

_SUITE = "suite-"
_RATIOS = ["norm", "network", "suite", "passes", "of the pool's", "ratio: median", "mean", "worst", "least pool"]
_POOL = """
Our suites beside *the pool*: the smallest example that any of the peers' attacks below found, sample by sample, and
the passes that they spent together. A ratio below 1 says that ours is smaller. *least pool*: the passes of a choice
among the peers' attacks, made afterwards, that is within 0.1 % of the whole pool."""
_STEPS = ["norm", "step of `standard`", "samples", "smaller by it", "by the median of"]
_ADDED = """
What each step of `standard` adds to those before it: on how many samples the smallest example became smaller by more
than 1 % (or the first was found), and by how much it did there in the median;
over {networks}."""


def ratios(records: list[Record]) -> Iterator[str]:
    """Lines of Markdown for the records of one family."""
    cells: dict[tuple[str, str], dict[tuple[str, str], Record]] = defaultdict(dict)
    for record in records:
        if "distances" in record:
            cells[record["norm"], record["network"]][record["tool"], record["attack"]] = record
    rows = [row for _, cell in sorted(cells.items()) for row in _cell(cell)]
    if rows:
        yield from (*_POOL.strip().split("\n"), "", *table(_RATIOS, rows), "")
    steps = [row for norm in sorted({norm for norm, _ in cells}) for row in _steps(norm, records)]
    if steps:
        networks = sorted({r["network"] for r in records if r["attack"] == f"{_SUITE}standard" and "steps" in r})
        said = _ADDED.format(networks=", ".join(networks))
        yield from (*said.strip().split("\n"), "", *table(_STEPS, steps), "")


def _cell(cell: dict[tuple[str, str], Record]) -> Iterator[list[str]]:
    peers = [record for (tool, _), record in cell.items() if tool != "auditor"]
    for (_, attack), record in sorted(cell.items()):
        if not peers or not attack.startswith(_SUITE):
            continue
        n = min(record["samples"], *(peer["samples"] for peer in peers))
        ratio = sizes(record, n) / np.min([sizes(peer, n) for peer in peers], axis=0)
        spent, pool = passes(record), sum(passes(peer) for peer in peers)
        yield [
            *(record["norm"], record["network"], attack.removeprefix(_SUITE), f"{spent:,.0f}", f"{spent / pool:.1%}"),
            *(f"{np.median(ratio):.4f}", f"{ratio.mean():.4f}", f"{ratio.max():.3f}", f"{leanest(peers, n):,.0f}"),
        ]


def _steps(norm: str, records: list[Record]) -> Iterator[list[str]]:
    """How the smallest examples shrank from step to step, samples of all networks taken together."""
    suites = [r["steps"] for r in records if r["norm"] == norm and r["attack"] == f"{_SUITE}standard" and "steps" in r]
    before = np.full(sum(len(suite[0][1]) for suite in suites), np.inf)
    for parts in zip(*suites, strict=True) if suites else ():
        now = _known([size for _, found in parts for size in found])
        smaller = now < 0.99 * before
        shrunk = now[smaller & np.isfinite(before)] / before[smaller & np.isfinite(before)]
        by = f"{1.0 - float(np.median(shrunk)):.1%}" if len(shrunk) else ""
        yield [norm, parts[0][0], str(len(now)), str(int(smaller.sum())), by]
        before = now


def sizes(record: Record, n: int) -> np.ndarray:
    """Distances of the first samples; infinite where none was found."""
    return _known(record["distances"][:n])


def _known(values: list[float | None]) -> np.ndarray:
    return np.array([math.inf if value is None else value for value in values])


def passes(record: Record) -> float:
    """Forward and backward passes for each sample."""
    return float((record["forwards"] + record["backwards"]) / record["samples"])


def leanest(peers: list[Record], n: int) -> float:
    """Passes of a small pool, grown greedily, whose median ratio to the whole one is at most 1.001."""
    whole = np.min([sizes(peer, n) for peer in peers], axis=0)
    held, spent = np.full(n, np.inf), 0.0
    while np.median(held / whole) > 1.001:
        reached = [np.minimum(held, sizes(peer, n)) for peer in peers]
        best = min(range(len(peers)), key=lambda i: (np.median(reached[i] / whole), passes(peers[i])))
        held, spent = reached[best], spent + passes(peers[best])
    return spent
