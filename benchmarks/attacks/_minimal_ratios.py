"""What our suites reach of what all peers reach together: distances per sample, and passes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

_Records = dict[tuple[str, str], dict[str, dict[str, Any]]]


def main(folder: Path) -> None:
    """Print a line for each suite, network and norm in the cache."""
    print("| norm | network | samples | suite | passes | of the pool's | ratio: median | mean | worst | least pool |")
    print("| --- | --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for (norm, network), records in read(folder).items():
        peers = {name: record for name, record in records.items() if not name.startswith("auditor")}
        if not peers:
            continue
        for name, record in records.items():
            if "suite-" not in name:
                continue
            n = min(record["samples"], *(peer["samples"] for peer in peers.values()))
            ratio = sizes(record, n) / np.min([sizes(peer, n) for peer in peers.values()], axis=0)
            spent, pool = passes(record), sum(passes(peer) for peer in peers.values())
            numbers = f"{np.median(ratio):.4f} | {ratio.mean():.4f} | {ratio.max():.3f}"
            print(
                f"| {norm} | {network} | {n} | {name.removeprefix('auditor/suite-')} | {spent:.0f} |"
                f" {spent / pool:.1%} of {pool:.0f} | {numbers} | {leanest(list(peers.values()), n):.0f} |"
            )


def read(folder: Path) -> _Records:
    """The latest record of every attack, by norm and network."""
    found: _Records = {}
    for line in (folder / "attacks.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record["family"] == "minimal" and "distances" in record:
            name = f"{record['tool']}/{record['attack']}"
            found.setdefault((record["norm"], record["network"]), {})[name] = record
    return found


def sizes(record: dict[str, Any], n: int) -> np.ndarray:
    """Distances of the first samples; infinite where none was found."""
    return np.array([np.inf if size is None else size for size in record["distances"][:n]])


def passes(record: dict[str, Any]) -> float:
    """Forward and backward passes for each sample."""
    return float((record["forwards"] + record["backwards"]) / record["samples"])


def leanest(peers: list[dict[str, Any]], n: int) -> float:
    """Passes of a small pool, grown greedily, whose median ratio to the whole one is at most 1.001."""
    whole = np.min([sizes(peer, n) for peer in peers], axis=0)
    held, spent = np.full(n, np.inf), 0.0
    while np.median(held / whole) > 1.001:
        reached = [np.minimum(held, sizes(peer, n)) for peer in peers]
        best = min(range(len(peers)), key=lambda i: (np.median(reached[i] / whole), passes(peers[i])))
        held, spent = reached[best], spent + passes(peers[best])
    return spent


if __name__ == "__main__":
    main(Path(sys.argv[1]))
