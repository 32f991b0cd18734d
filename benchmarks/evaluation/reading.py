"""Stored cells as what tables and targets speak of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.evaluation.strength import OURS, STANDARD
from benchmarks.networks import NETWORKS
from benchmarks.onnx_matrix.store import Record


@dataclass(frozen=True)
class Strength:
    """A tool on a network: which test images fell, and at what cost."""

    network: str
    tool: str
    record: Record

    @property
    def is_ours(self) -> bool:
        return self.tool.startswith(OURS)

    @property
    def samples(self) -> int:
        return len(self.record["places"])

    @property
    def fallen(self) -> set[int]:
        pairs = zip(self.record["places"], self.record["fell"], strict=True)
        return {place for place, fell in pairs if fell}

    @property
    def standing(self) -> int:
        return self.samples - len(self.fallen)

    @property
    def forwards(self) -> float:
        """Of a sample."""
        return float(self.record["forwards"]) / self.samples

    @property
    def backwards(self) -> float:
        """Of a sample."""
        return float(self.record["backwards"]) / self.samples

    @property
    def cpu(self) -> float:
        """Seconds of a sample."""
        return float(self.record["cpu"]) / self.samples


@dataclass(frozen=True)
class Pairing:
    """Ours beside a peer, on the samples that both attacked; costs are per sample."""

    ours: Strength
    peer: Strength

    @property
    def network(self) -> str:
        return self.peer.network

    @property
    def shared(self) -> set[int]:
        return set(self.ours.record["places"]) & set(self.peer.record["places"])

    @property
    def samples(self) -> int:
        return len(self.shared)

    @property
    def same(self) -> bool:
        """Whether both attacked just these samples, without which costs are not compared."""
        return bool(self.ours.record["places"] == self.peer.record["places"])

    @property
    def ours_only(self) -> int:
        return len((self.ours.fallen - self.peer.fallen) & self.shared)

    @property
    def theirs_only(self) -> int:
        return len((self.peer.fallen - self.ours.fallen) & self.shared)

    @property
    def difference(self) -> int:
        """Samples that stand against us, less those that stand against the peer."""
        return self.theirs_only - self.ours_only

    @property
    def passes(self) -> float:
        return (self.ours.forwards + self.ours.backwards) / (self.peer.forwards + self.peer.backwards)

    @property
    def cpu(self) -> float:
        return self.ours.cpu / self.peer.cpu


def strengths(records: dict[str, Record]) -> list[Strength]:
    """Of each network and tool the cell with the most samples."""
    most: dict[tuple[str, str], Strength] = {}
    for name, tool, record in _strength_cells(records):
        found = Strength(name, tool, record)
        if (name, tool) not in most or found.samples > most[name, tool].samples:
            most[name, tool] = found
    return [most[key] for key in sorted(most, key=lambda key: (list(NETWORKS).index(key[0]), key[1]))]


def _strength_cells(records: dict[str, Record]) -> Iterator[tuple[str, str, Record]]:
    for key, record in records.items():
        kind, _, rest = key.partition("/")
        if kind == "strength" and "fell" in record:
            name, tool, _ = rest.split("/")
            yield name, tool, record


def pairings(found: Sequence[Strength]) -> list[Pairing]:
    """Every peer beside us, where both were measured."""
    own = {one.network: one for one in found if one.tool == STANDARD}
    return [Pairing(own[one.network], one) for one in found if not one.is_ours and one.network in own]


@dataclass(frozen=True)
class Timing:
    """An attack and its bare passes, in alternating rounds."""

    network: str
    attack: str
    record: Record

    @property
    def ratio(self) -> float:
        """Median over rounds of the attack's CPU time over that of its passes."""
        return median(self._ratios)

    @property
    def spread(self) -> tuple[float, float]:
        return min(self._ratios), max(self._ratios)

    @property
    def _ratios(self) -> list[float]:
        return [a / b for a, b in zip(self.record["attack_cpu"], self.record["bare_cpu"], strict=True)]

    @property
    def attack_seconds(self) -> float:
        return float(median(self.record["attack_cpu"]))

    @property
    def bare_seconds(self) -> float:
        return float(median(self.record["bare_cpu"]))

    @property
    def words(self) -> str:
        """Why, in time per call of the network."""
        calls = self.record["calls"]
        bare, more = self.bare_seconds / calls, (self.attack_seconds - self.bare_seconds) / calls
        return f"a call of the network takes {1e3 * bare:.2f} ms here, and the attack adds {1e3 * more:.2f}"


def timings(records: dict[str, Record], kind: str) -> list[Timing]:
    """The cells of `overhead` or `queries`."""
    found = []
    for key, record in records.items():
        if key.startswith(f"{kind}/") and "attack_cpu" in record:
            network, _, attack = key.removeprefix(f"{kind}/").partition("/")
            found.append(Timing(network, attack, record))
    return found


@dataclass(frozen=True)
class Growth:
    axis: str
    value: str
    record: dict[str, Any]

    @property
    def samples(self) -> int:
        return int(self.record["samples"])

    @property
    def passes(self) -> int:
        return int(self.record["forwards"] + self.record["backwards"])

    @property
    def per_sample(self) -> float:
        return float(self.record["cpu"]) / self.samples

    @property
    def overhead(self) -> float:
        return float(self.record["cpu"] / self.record["bare_cpu"]) - 1.0

    @property
    def memory(self) -> float:
        """MB that the audit added to what the process held before."""
        return float(self.record["memory"])


def growths(records: dict[str, Record]) -> list[Growth]:
    from benchmarks.evaluation.growth import AXES

    return [
        Growth(axis, label, records[key])
        for axis, rows in AXES.items()
        for label, *_ in rows
        if "cpu" in records.get(key := f"growth/{axis}/{label}", {})
    ]
