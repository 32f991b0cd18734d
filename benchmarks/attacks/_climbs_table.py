"""Climbs on the page of measurements: what share of samples falls over the seeds, and how sure it is who is ahead."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np

from benchmarks.onnx_matrix.tables import table

Record: TypeAlias = dict[str, Any]

_OURS = "auditor"
_HEADS = ["attack", "tool", "success", "least", "most", "ours ahead by", "forwards", "backwards", "CPU s"]
_ABOUT = """
Where a climb begins is random, so each is run with several seeds: *success* is the mean, *least* and *most* belong to
single seeds. *Ours ahead by*, in points: the difference of the means and its 95 % interval, the samples being paired.
*torchattacks, our starts* begins where ours does, so that what then differs is the search itself: the authors' code of
apgd, which peers follow, compares the loss after the first step with 0, ours with that of the start, as the paper says.
"""


def climbs(records: list[Record]) -> Iterator[str]:
    """Lines of Markdown."""
    yield from (*_ABOUT.strip().split("\n"), "")
    cells: dict[tuple[str, str, float], dict[tuple[str, str], list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        if "distances" in record:
            cell = cells[record["norm"], record["network"], record["eps"]]
            cell[record["attack"], record["tool"]].append(record)
    for (norm, network, eps), cell in sorted(cells.items()):
        samples = max(runs[0]["samples"] for runs in cell.values())
        seeds = max(len(runs) for runs in cell.values())
        yield from (f"### {norm}, {network}, within {eps:.4g}, {samples} samples, {seeds} seeds", "")
        ordered = sorted(cell.items(), key=lambda item: (item[0][0], item[0][1] != _OURS, item[0][1]))
        rows = [_row(attack, tool, runs, cell.get((attack, _OURS))) for (attack, tool), runs in ordered]
        yield from (*table(_HEADS, rows), "")


def _row(attack: str, tool: str, runs: list[Record], ours: list[Record] | None) -> list[str]:
    mine = tool == _OURS
    shares = [record["success"] for record in runs]
    spread = [f"{min(shares):.1%}", f"{max(shares):.1%}"] if len(runs) > 1 else ["", ""]
    costs = [np.mean([record[key] / record["samples"] for record in runs]) for key in ("forwards", "backwards")]
    seconds = np.mean([record["seconds"] for record in runs])
    return [
        *(attack, f"**{tool}**" if mine else tool, f"{np.mean(shares):.1%}", *spread),
        "" if mine or not ours else _ahead(ours, runs),
        *(f"{cost:,.0f}" for cost in costs),
        f"{seconds:.1f}",
    ]


def _ahead(ours: list[Record], theirs: list[Record]) -> str:
    """The difference in points, and half of its interval."""
    by = 100.0 * (_fallen(ours) - _fallen(theirs))
    # A mean of shares that are all the same has no sign.
    return f"{by.mean() + 0.0:+.1f} ± {1.96 * by.std(ddof=1) / math.sqrt(len(by)):.1f}"


def _fallen(runs: list[Record]) -> np.ndarray:
    """In which share of the runs each sample fell."""
    return np.mean([[size is not None for size in record["distances"]] for record in runs], axis=0)
