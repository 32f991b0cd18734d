"""What must be reached, what was measured, and a sentence where it was not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import mean, median, variance

from benchmarks.evaluation.reading import (
    Growth,
    Pairing,
    Timing,
    growths,
    pairings,
    strengths,
    timings,
)
from benchmarks.evaluation.strength import REFERENCE
from benchmarks.networks import NETWORKS
from benchmarks.onnx_matrix.store import Record

PASSES, TIME = 20, 15
STEPS = 0.6
OVERHEAD = {"mnist-pgd": ("small CNN", 0.08), "resnet18": ("ResNet", 0.03)}
QUERIES = 0.9
LINEAR, FLAT = 1.15, 64.0


@dataclass(frozen=True)
class Target:
    """`met` is None where nothing was measured; `why` is printed where it is False."""

    words: str
    measured: str
    met: bool | None
    why: str = ""


def targets(records: dict[str, Record]) -> list[Target]:
    """Every target, in the order of the page."""
    found = [pair for pair in pairings(strengths(records)) if pair.peer.tool == REFERENCE and pair.same]
    held_out = [pair for pair in found if NETWORKS[pair.network].held_out]
    art = [pair for pair in pairings(strengths(records)) if pair.peer.tool == "ART"]
    return [
        *_accuracy(found, "AutoAttack"),
        *_accuracy(art, "ART's AutoAttack")[:1],
        *_accuracy(held_out, "AutoAttack", "network that nothing was tuned on")[:1],
        *_cost(found),
        *_steps(records),
        *_overheads(timings(records, "overhead")),
        _queries(timings(records, "queries")),
        *_growth(growths(records)),
    ]


def _accuracy(pairs: Sequence[Pairing], whose: str, where: str = "network") -> list[Target]:
    above = [pair for pair in pairs if pair.difference > 1]
    below = [pair for pair in pairs if pair.difference < 0]
    said = ", ".join(f"{pair.network} {pair.difference:+d}" for pair in pairs)
    why = "; ".join(
        f"on {pair.network} {pair.theirs_only} of {pair.samples} samples fell to {pair.peer.tool} alone and "
        f"{pair.ours_only} to us alone"
        for pair in above
    )
    return [
        Target(
            f"robust accuracy of `standard` at most one sample above {whose}'s, on every {where}",
            f"samples more: {said}" if pairs else "–",
            not above if pairs else None,
            why,
        ),
        Target(
            f"below {whose}'s on at least two networks",
            f"{len(below)} of {len(pairs)}: {', '.join(pair.network for pair in below) or 'none'}" if pairs else "–",
            len(below) >= 2 if pairs else None,
            f"below on {len(below)}",
        ),
    ]


def _cost(pairs: Sequence[Pairing]) -> Iterator[Target]:
    many = [pair for pair in pairs if pair.peer.standing * 2 > pair.peer.samples]
    for what, share, limit in (
        ("passes", [pair.passes for pair in many], PASSES),
        ("CPU time", [pair.cpu for pair in many], TIME),
    ):
        worse = [f"{p.network} {fraction(s)}" for p, s in zip(many, share, strict=True) if s * limit > 1.0]
        yield Target(
            f"at most 1/{limit} of AutoAttack's {what} where more than half of the samples stand",
            ", ".join(f"{p.network} {fraction(s)}" for p, s in zip(many, share, strict=True)) or "–",
            not worse if many else None,
            f"more than that on {', '.join(worse)}",
        )


def fraction(ratio: float) -> str:
    """A cost over another's, as one reads it: `1/12.5` or `1.3 times`."""
    return f"1/{1 / ratio:.1f}" if ratio < 1.0 else f"{ratio:.1f} times"


def _steps(records: dict[str, Record]) -> Iterator[Target]:
    from benchmarks.evaluation.steps import FILE

    cells = {k: r for k, r in records.items() if k.startswith("steps/") and "cpu" in r}
    slow, weak, said = [], [], []
    for key, record in cells.items():
        name = key.removeprefix("steps/")
        peer, ratio = fastest(record, FILE)
        said.append(f"{name} {ratio:.2f} of {peer}")
        if ratio > STEPS:
            slow.append(f"{name} takes {ratio:.2f} of {peer}'s time")
        ours, theirs = record["fell"][FILE], record["fell"][peer]
        if fewer(ours, theirs):
            weak.append(f"{name} breaks {mean(ours):.1f} samples and {peer} {mean(theirs):.1f}")
    yield Target(
        f"equal steps in at most {STEPS} of the fastest peer's time",
        ", ".join(said) or "–",
        not slow if cells else None,
        "; ".join(slow) + " (most of what is left are the passes, in float32 where the processor has nothing cheaper)",
    )
    yield Target(
        "at no higher robust accuracy than that peer's, by more than twice the error of the mean over seeds",
        f"{len(cells) - len(weak)} of {len(cells)}" if cells else "–",
        not weak if cells else None,
        "; ".join(weak),
    )


def fewer(ours: Sequence[int], theirs: Sequence[int]) -> bool:
    """Whether we broke fewer samples than a peer, by more than twice the standard error of the means over seeds."""
    error = sqrt(sum(variance(counts) / len(counts) for counts in (ours, theirs)))
    return mean(theirs) - mean(ours) > 2.0 * error


def fastest(record: Record, tool: str) -> tuple[str, float]:
    """The fastest peer of a `steps` cell, and the median over rounds of the time of `tool` over its."""
    times = record["cpu"]
    peer = min((name for name in times if not name.startswith("auditor")), key=lambda name: median(times[name]))
    return peer, median(a / b for a, b in zip(times[tool], times[peer], strict=True))


def _overheads(found: Sequence[Timing]) -> Iterator[Target]:
    for network, (words, limit) in OVERHEAD.items():
        mine = [one for one in found if one.network == network and one.attack.startswith(("pgd", "apgd"))]
        worse = [one for one in mine if one.ratio - 1.0 > limit]
        yield Target(
            f"overhead over the bare passes at most {limit:.0%}, {words}",
            ", ".join(f"{one.attack} {one.ratio - 1.0:.1%}" for one in mine) or "–",
            not worse if mine else None,
            "; ".join(one.words for one in worse),
        )


def _queries(found: Sequence[Timing]) -> Target:
    worse = [one for one in found if 1.0 / one.ratio < QUERIES]
    return Target(
        f"{QUERIES:.0%} of the bare session's queries per second",
        ", ".join(f"{one.network} {1.0 / one.ratio:.0%}" for one in found) or "–",
        not worse if found else None,
        "; ".join(f"{one.network}: {one.words}" for one in worse),
    )


def _growth(found: Sequence[Growth]) -> Iterator[Target]:
    mine = sorted((one for one in found if one.axis == "samples"), key=lambda one: one.samples)
    large = [one for one in mine if one.samples >= 1000]
    ratio = large[-1].per_sample / large[0].per_sample if large else 0.0
    grown = large[-1].memory - large[0].memory if large else 0.0
    ends = f"from {large[0].samples:,} to {large[-1].samples:,} samples" if large else ""
    yield Target(
        f"time linear in samples: at most {LINEAR - 1.0:.0%} more for each of ten times as many",
        f"{ratio - 1.0:+.0%} {ends}" if large else "–",
        ratio <= LINEAR if large else None,
        f"it grows to {ratio:.2f} times as much for each",
    )
    yield Target(
        f"peak memory flat: at most {FLAT:.0f} MB more for ten times the samples",
        f"{grown:+.0f} MB {ends}" if large else "–",
        grown <= FLAT if large else None,
        f"it grows by {grown:.0f} MB",
    )
