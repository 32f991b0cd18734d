"""The page of measurements, and what the page of attacks says of each: every number from `attacks.jsonl`."""

from __future__ import annotations

import json
import platform
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import mean, median
from typing import Any, TypeAlias

from auditor_attacks import auditor_attacks
from benchmarks.attacks._climbs_table import climbs
from benchmarks.attacks._labels_table import faster
from benchmarks.attacks._minimal_ratios import ratios
from benchmarks.attacks._published_table import published
from benchmarks.onnx_matrix.tables import table

Record: TypeAlias = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "benchmarks-attacks.md"
SUMMARY = ROOT / "docs" / "attacks.json"
OURS = "auditor"
_PEERS = ("torchattacks", "foolbox", "adversarial-robustness-toolbox", "adv-lib", "imagecorruptions")

_TITLES = {
    "published": "Figures that others published",
    "climbs": "Within a budget, along gradients",
    "minimal": "The smallest change, with gradients",
    "scores": "From scores alone",
    "labels": "From labels alone",
    "sparse": "Within a budget of entries",
    "spatial": "Rotations and shifts",
    "universal": "One change for all samples",
    "transfer": "Attacks made for transfer",
    "corruptions": "Corruptions",
    "bridges": "Attacks of other libraries, through auditor",
}


def read(folder: Path) -> list[Record]:
    """The latest record of every cell."""
    latest: dict[str, Record] = {}
    for line in (folder / "attacks.jsonl").read_text().splitlines():
        record = json.loads(line)
        several = record["samples"] if "published" in record else None  # one figure, on few digits and on many
        latest[json.dumps([several, *(record.get(key) for key in _KEY)], sort_keys=True)] = record
    return list(latest.values())


# What transfer attacks are called in the tables, where their pieces are combined.
_ALIASES = {"mifgsm": "mi", "nifgsm": "ni", "difgsm": "di", "tifgsm": "ti", "sifgsm": "si-ni", "vmifgsm": "vmi"}

_KEY = (
    "family",
    "statistic",
    "norm",
    "network",
    "eps",
    "tool",
    "attack",
    "parameters",
    "corruption",
    "severity",
    "side",
)


def render(folder: Path) -> None:
    """Write both files."""
    records = read(folder)
    families: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        families[record["family"]].append(record)
    parts = [_INTRODUCTION.format(origin=_origin())]
    for name in sorted(families, key=lambda family: [*_TITLES, family].index(family)):
        body = _OWN.get(name, _family)(families[name])
        parts += [f"## {_TITLES.get(name, name)}", "", f"    {_RUN} {name} --cache DIR", "", *body, ""]
    PAGE.write_text("\n".join(parts).rstrip() + "\n", encoding="utf-8")
    SUMMARY.write_text(json.dumps(dict(_summaries(records)), indent=1, sort_keys=True) + "\n", encoding="utf-8")


_RUN = "OMP_NUM_THREADS=1 python -m benchmarks.attacks"
_INTRODUCTION = """# Benchmarks: each attack beside its peers

Made by commands; nothing here is typed by hand:

    python -m benchmarks.attacks render --cache DIR

writes this page. {origin}

The networks are [those of the other benchmarks](benchmarks-networks.md). All tools attack the same samples,
which the network gets right, on one thread; every candidate is judged by the same lines (wrong answer, in the box,
within the budget). Passes are samples through the network, forwards and backwards, divided by the samples attacked,
counted around the module on both sides. *median* is the median size of the smallest examples, where nothing found
counts as infinite.
"""


def _origin() -> str:
    installed = []
    for name in ("torch", *_PEERS):
        try:
            installed.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return f"Written {time.strftime('%d %B %Y')}; {platform.system()} {platform.machine()}, {', '.join(installed)}."


def _family(records: list[Record]) -> Iterator[str]:
    groups: dict[tuple[str, str, Any], list[Record]] = defaultdict(list)
    for record in records:
        groups[(str(record["norm"]), str(record["network"]), record["eps"])].append(record)
    for (norm, network, eps), group in sorted(groups.items(), key=lambda item: [str(part) for part in item[0]]):
        budget = "the smallest change" if eps is None else f"within {eps:.4g}"
        skip = max(r.get("skip", 0) for r in group)
        samples = f"{max(r['samples'] for r in group)} samples" + (f" after the first {skip}" if skip else "")
        yield from (f"### {norm}, {network}, {budget}, {samples}", "")
        rows = sorted(group, key=lambda r: (r["attack"], r["tool"] != OURS, r["tool"]))
        yield from (*table(_HEADS, [_row(record) for record in rows]), "")


_HEADS = ["attack", "tool", "success", "median", "forwards", "backwards", "CPU s", "transfers to", "parameters"]


def _row(record: Record) -> list[str]:
    said = ", ".join(f"{key}={value}" for key, value in (record.get("parameters") or {}).items())
    tool = f"**{OURS}**" if record["tool"] == OURS else record["tool"]
    if why := record.get("error") or record.get("absent"):
        return [record["attack"], tool, why.partition("\n")[0][:80].replace("|", "/"), "", "", "", "", "", said]
    n = max(1, record["samples"])
    size = "" if record["median"] is None else f"{record['median']:.4g}"
    passes = [f"{record[key] / n:,.0f}" for key in ("forwards", "backwards")]
    others = ", ".join(f"{name} {share:.0%}" for name, share in (record.get("transfer") or {}).items())
    found, time_ = f"{record['success']:.1%}", f"{record['seconds']:.1f}"
    return [record["attack"], tool, found, size, *passes, time_, others, said]


_SLOW = ("glass_blur",)
"""What the package does pixel by pixel in Python."""
_JPEG = """jpeg_compression comes to one to two times the speed: both let Pillow write and read a file for each image,
on one thread here, which takes most of the time. With more threads ours codes images side by side."""


def _faster(records: list[Record]) -> float:
    """Pictures per second, as a multiple of the package's."""
    return sum(float(r["peer_seconds"]) for r in records) / sum(float(r["seconds"]) for r in records)


def _corruptions(records: list[Record]) -> Iterator[str]:
    pixels = [r for r in records if "peer_seconds" in r]
    yield from ("Mean change of a pixel and CPU time per picture, over severities, beside imagecorruptions.", "")
    groups: dict[tuple[str, int], list[Record]] = defaultdict(list)
    for record in pixels:
        groups[(record["corruption"], record["side"])].append(record)
    rows = []
    for (name, side), group in sorted(groups.items()):
        mine, theirs = (median(r[key] for r in group) for key in ("size", "peer_size"))
        faster = median(r["peer_seconds"] / r["seconds"] for r in group)
        rows.append([name, str(side), f"{mine:.4f}", f"{theirs:.4f}", f"{faster:.1f}"])
    heads = ["corruption", "side", "change", "change there", "times faster"]
    yield from table(heads, rows)
    yield ""
    for side in sorted({r["side"] for r in pixels}):
        whole, others = (
            [r for r in pixels if r["side"] == side and r["corruption"] not in left] for left in ((), _SLOW)
        )
        yield (
            f"All of them together, side {side}: {_faster(whole):.1f} times the pictures per second, "
            f"{_faster(others):.1f} times without {', '.join(_SLOW)}."
        )
    yield from ("", _JPEG)
    accuracies = [r for r in records if "peer_accuracy" in r and "accuracy" in r]
    if accuracies:
        far = [100 * abs(r["accuracy"] - r["peer_accuracy"]) for r in accuracies]
        yield from (
            "",
            f"Accuracy of the networks under both: {median(far):.1f} points apart in the median over "
            f"{len(far)} cells, {max(far):.1f} at most.",
        )


def _labels(records: list[Record]) -> Iterator[str]:
    yield from faster(records)
    yield from _family(records)


def _minimal(records: list[Record]) -> Iterator[str]:
    yield from ratios(records)
    yield from _family(records)


_OWN: dict[str, Callable[[list[Record]], Iterator[str]]] = {
    "climbs": climbs,
    "corruptions": _corruptions,
    "labels": _labels,
    "minimal": _minimal,
    "published": published,
}


def _summaries(records: list[Record]) -> Iterator[tuple[str, dict[str, Any]]]:
    """For each of our attacks: how it compares with peers' attacks of the same name in the same cells."""
    known = sorted((attack.name for attack in auditor_attacks()), key=len, reverse=True)
    cells: dict[tuple[Any, ...], list[Record]] = defaultdict(list)
    for record in records:
        if "attack" in record and "seconds" in record and "success" in record and record["family"] != "bridges":
            cells[tuple(str(record.get(key)) for key in ("family", "norm", "network", "eps", "attack"))].append(record)
    sizes: dict[str, list[float]] = defaultdict(list)
    shares: dict[str, list[float]] = defaultdict(list)
    times: dict[str, list[float]] = defaultdict(list)
    tools: dict[str, list[str]] = defaultdict(list)
    for (_, _, _, eps, attack), group in cells.items():
        mine, theirs = ([r for r in group if (r["tool"] == OURS) is own] for own in (True, False))
        attack = next((name for name in known if f"{attack}-".startswith(f"{_ALIASES.get(name, name)}-")), "")
        if not mine or not theirs or not attack:
            continue
        tools[attack] += [r["tool"].partition(",")[0] for r in theirs]
        times[attack].append(min(r["seconds"] for r in mine) / min(r["seconds"] for r in theirs))
        if eps == "None":
            medians = [[r["median"] for r in part if r["median"] is not None] for part in (mine, theirs)]
            sizes[attack] += [min(medians[0]) / min(medians[1])] if all(medians) else []
        else:
            shares[attack].append(_found(mine) - _found(theirs))
    if timed := [record for record in records if "peer_seconds" in record]:
        package = {"cells": len(timed), "peers": ["imagecorruptions"], "size": None, "success": None}
        yield "corruptions", package | {"time": round(1.0 / _faster(timed), 3)}
    for attack in sorted(tools):
        yield (
            attack,
            {
                "cells": len(times[attack]),
                "peers": sorted(set(tools[attack])),
                "size": _rounded(sizes[attack]),
                "success": _rounded(shares[attack]),
                "time": _rounded(times[attack]),
            },
        )


def _found(records: list[Record]) -> float:
    """The share that the best tool finds: of one tool with one set of parameters the mean over seeds."""
    runs: dict[str, list[float]] = defaultdict(list)
    for record in records:
        parameters = {key: value for key, value in (record["parameters"] or {}).items() if key != "seed"}
        runs[json.dumps([record["tool"], parameters], sort_keys=True)].append(record["success"])
    return max(mean(run) for run in runs.values())


def _rounded(values: Iterable[float]) -> float | None:
    known = list(values)
    return round(median(known), 3) if known else None
