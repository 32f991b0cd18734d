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
    "of nothing but passes",
]
_ABOUT = """
Samples per CPU second beside ART's, all of them in one batch. *Of nothing but passes*: what an attack would reach that
asks as often and costs nothing itself, so that only the network's passes are left. That bounds what any attack can be
faster than ART's at as many questions; ten times, which was wanted, lies beyond it here. What comes nearer with each
question needs fewer of them to come as near as ART's. How few was chosen on these very samples for boundary and geoda,
and is enough on the 64 after them too; for hopskipjump it was chosen on samples after them: in linf on the next 64, in
l2, with parameters of its own, on the next 128.
"""


def faster(records: list[dict[str, Any]]) -> Iterator[str]:
    """Lines of Markdown."""
    alone = [record for record in records if record["tool"] == NETWORK and "seconds" in record]
    each = {record["network"]: record["seconds"] / record["forwards"] for record in alone}
    rows = []
    for theirs in records:
        if theirs["tool"] != "ART" or "seconds" not in theirs:
            continue
        for ours in records:
            same = all(ours[key] == theirs[key] for key in ("norm", "network", "samples"))
            if same and ours["tool"] == "auditor" and ours["attack"] in (theirs["attack"], NEAR + theirs["attack"]):
                rows.append(_row(ours, theirs, each.get(theirs["network"])))
    if rows:
        yield from (*_ABOUT.strip().split("\n"), "", *table(_HEADS, rows), "")
    for network, seconds in each.items():
        yield f"The passes of {network} alone: {seconds * 1e6:.0f} µs each."
    yield ""


def _row(ours: dict[str, Any], theirs: dict[str, Any], each: float | None) -> list[str]:
    cells = [theirs["norm"], theirs["network"]]
    for record in (ours, theirs):
        size = "" if record["median"] is None else f"{record['median']:.4g}"
        cells += [record["attack"], f"{record['forwards'] / record['samples']:,.0f}", size]
    bound = "" if each is None else f"{theirs['seconds'] / (each * ours['forwards']):.1f}"
    return [*cells, f"{theirs['seconds'] / ours['seconds']:.1f}", bound]
