"""The page, every number of it from the cache."""

from __future__ import annotations

import time
from statistics import mean, median

from benchmarks.evaluation import thorough
from benchmarks.evaluation.growth import ATTACK
from benchmarks.evaluation.reading import Pairing, Strength, growths, pairings, strengths, timings
from benchmarks.evaluation.steps import FILE
from benchmarks.evaluation.strength import OURS
from benchmarks.evaluation.targets import fastest, fraction, targets
from benchmarks.networks import NETWORKS
from benchmarks.onnx_matrix.store import Record
from benchmarks.onnx_matrix.tables import table

_RUN = "OMP_NUM_THREADS=1 python -m benchmarks.evaluation"
_ONLY_THOROUGH = "strength --suite thorough --tool auditor --samples 50"
_NOT_MEASURED = ["Not measured."]


def render(records: dict[str, Record]) -> str:
    """Markdown of everything that the cache holds."""
    parts = [
        "# Benchmarks: how strong and how cheap",
        _origin(records),
        "## What must be reached",
        *_targets(records),
        *_section("Strength", "strength", _STRENGTH, _strength(records)),
        *_losses(records),
        *_counts(records),
        *_section("`thorough`", _ONLY_THOROUGH, thorough.WORDS, thorough.rows(strengths(records))),
        *_section("The same number of steps", "steps", _STEPS, _steps(records)),
        *_section("Overhead over the bare passes", "overhead", _OVERHEAD, _overhead(records)),
        *_section("Queries per second", "queries", _QUERIES, _queries(records)),
        *_section("How cost grows", "growth", _GROWTH, _growth(records)),
    ]
    return "\n".join(parts).rstrip() + "\n"


_STRENGTH = """Robust accuracy of the first samples of each network's test set that ONNX Runtime gets right, within the
network's linf budget ([the networks](benchmarks-networks.md)). Every tool gets the same samples, and every
example is judged by the same lines: ball and box (to 1e-6), and the label that ONNX Runtime gives. auditor audits the
ONNX file with `--suite standard`; peers attack the PyTorch module of the same weights, on the int8 network our
differentiable twin of the file, since none of them can take gradients of a quantised file. Passes are samples
through the network, forwards and backwards, divided by the samples attacked; those of peers are counted around the
module, ours are what `result.json` reports. CPU seconds are of the attacks, one thread; *whole* adds loading,
preflight, the clean pass and writing evidence. Peers run in batches of 200, their fastest here. torchattacks'
AutoAttack leaves its gradient attacks at 10 steps, where AutoAttack's authors take 100: both are shown, and 100 steps
are what we compare with. ART's AutoAttack is slow, and gets the first 100 samples (color: 40) only, so its costs are
shown and not compared. A short audit comes before ours, so that imports are in nobody's time. Suites were chosen by
what they found on the first networks; the ones *held out* had no part in it. Passes are those of checks too: where
squares break what the climb missed, AUD202 doubts the gradients and searches on among all that stand."""
_STEPS = """Equal steps, one restart, cross-entropy, linf, on the networks' own budgets. Early stopping is off on both
sides by choice of samples: times and losses are of samples that none of the tools broke, so that nothing falls and
nobody can stop early. All tools run in one process, in turn; CPU seconds are medians over the rounds. Loss is the
highest cross-entropy at any point of the ball that a tool showed to the network, seen from outside by the same lines
of code, mean over samples. Robust accuracy is of all samples and the mean over five seeds, since one start or another
decides about a sample or two; torchattacks' APGD has a seed of its own, so that its five are one. Peers and *auditor,
module* run the PyTorch module; *auditor, ONNX file* its twin from the file, where the exporter folded batch
normalisation into the convolutions. auditor's time is of an audit's attack stage, with the referee and the evidence
on disk, up to where the first check begins, since what checks ask is no step of the attack. Where the processor has
no instructions for bfloat16 the search stays in float32; *networks asked* below tells which it was. The twin of a
file lies channels last in memory on a CPU, a module as its author left it."""
_OVERHEAD = """The passes that an audit's attacks made are recorded (rows, precision, layout, backward or not) and made
again through the bare network, alternating with the audit; the attack stage includes the referee and the evidence on
disk, and ends where the first check begins, but for `suite standard`, to which belongs what checks search for. The
first two networks are the stored ones as ONNX files; ResNet-18 has random weights and 32 x 32 pixels, its last bias
keeps every sample standing, since only cost is measured."""
_QUERIES = """`square` through the engine, against an ONNX Runtime session that is asked batches of the same sizes,
the same array each time. The engine's figure is of the attack stage up to where the first check begins, with the
referee and the evidence on disk."""
_GROWTH = f"""`{ATTACK}` on noise and random weights, since only cost is measured; a bias keeps every sample standing.
Memory is what the audit adds at most to what its process held before. The networks of all but the last two rows are
two convolutions, average pooling and a dense layer."""


def _section(title: str, command: str, words: str, lines: list[str]) -> list[str]:
    return ["", f"## {title}", "", f"    {_RUN} {command} --cache CACHE", "", words, "", *(lines or _NOT_MEASURED)]


def _origin(records: dict[str, Record]) -> str:
    known = [record for key, record in records.items() if key.startswith("facts/")]
    last = max(known, key=lambda record: record["time"], default={})
    times = [record["time"] for key, record in records.items() if not key.startswith("facts/")] or [0]
    first, until = (time.strftime("%d %B %Y", time.gmtime(moment)).lstrip("0") for moment in (min(times), max(times)))
    packages = ", ".join(f"{name} {version}" for name, version in last.get("packages", {}).items())
    peers = ", ".join(f"{name} {version}" for name, version in last.get("peers", {}).items())
    commits = ", ".join(f"{key.removeprefix('facts/')} {r['commit']}" for key, r in records.items() if "commit" in r)
    return f"""
Made by commands; no figure here is typed by hand. Each table says its own, and

    python -m benchmarks.evaluation render --cache CACHE

writes this page. Results are cached cell by cell: a run that was stopped goes on, `--again TEXT` measures anew. Every
cell runs in a process of its own, on one thread.

Measured {first if first == until else f"{first} to {until}"} on {last.get("cores")} cores ({last.get("processor")}, \
{last.get("system")}), which other work shared, hence CPU time everywhere; no GPU; Python {last.get("python")}, \
{packages}. Compared: {peers or "nobody is installed"}. Commits: {commits or "unknown"}.
"""


def _targets(records: dict[str, Record]) -> list[str]:
    found = targets(records)
    words = {True: "yes", False: "**no**", None: "not measured"}
    lines = table(["target", "measured", "met"], [[one.words, one.measured, words[one.met]] for one in found])
    missed = [f"- Missed: {one.words}: {one.why}." for one in found if one.met is False]
    return [*lines, "", *missed]


def _strength(records: dict[str, Record]) -> list[str]:
    found = [one for one in strengths(records) if one.tool != thorough.THOROUGH]
    beside = {(pair.network, pair.peer.tool): pair for pair in pairings(found)}
    rows = [_strength_row(one, beside.get((one.network, one.tool))) for one in found]
    head = ["network", "eps", "tool", "samples", "robust accuracy", "only it broke / only we", "forwards", "backwards"]
    return table([*head, "CPU s", "ours over its passes", "ours over its time"], rows) if rows else []


def _strength_row(one: Strength, pair: Pairing | None) -> list[str]:
    network = NETWORKS[one.network]
    eps = network.eps
    whole = one.record.get("whole_cpu")
    return [
        f"{one.network}, held out" if network.held_out else one.network,
        f"{eps:.3g}" if eps >= 0.05 and round(eps, 3) == eps else f"{eps * 255:.0f}/255",
        f"**{one.tool}**" if one.is_ours else one.tool,
        str(one.samples),
        f"{one.standing / one.samples:.1%}",
        f"{pair.theirs_only} / {pair.ours_only}" if pair else "",
        f"{one.forwards:,.0f}",
        f"{one.backwards:,.0f}",
        f"{one.record['cpu']:.1f}" + (f" (whole {whole:.1f})" if whole else ""),
        fraction(pair.passes) if pair and pair.same else "",
        fraction(pair.cpu) if pair and pair.same else "",
    ]


def _losses(records: dict[str, Record]) -> list[str]:
    """What cannot be read off the table: absent tools, cells that failed, examples that the judge refused."""
    lines = []
    for key, record in records.items():
        kind, _, rest = key.partition("/")
        if "absent" in record and "cpu" not in record:
            lines.append(f"- {rest}: left out, {record['absent']}.")
        elif "error" in record:
            lines.append(f"- {key}: failed, `{record['error']}`.")
        elif kind == "strength" and sum(record["fell"]) != record["believed"]:
            refused = record["believed"] - sum(record["fell"])
            lines.append(
                f"- {rest}: the tool's own network is fooled by {refused} more than counted, "
                f"{record['outside']} of them outside of the ball or box; ONNX Runtime is not fooled by the others."
            )
    return ["", *lines] if lines else []


def _counts(records: dict[str, Record]) -> list[str]:
    rows = []
    for key, record in records.items():
        if key.startswith("count/") and "counted" in record:
            own = record["forwards"], record["backwards"]
            pairs = zip(own, record["counted"], strict=True)
            rows.append([*key.split("/")[1:], *(f"{mine:,} / {theirs:,}" for mine, theirs in pairs)])
    words = (
        "\nOur count against a counter around the network, outside of the engine "
        f"(`{_RUN} count --cache CACHE`). What it counts beyond ours is the referee, who asks the deployed network "
        "again about every example:\n"
    )
    head = ["network", "suite", "samples", "forwards: reported / counted", "backwards: reported / counted"]
    return [words, *table(head, rows)] if rows else []


def _steps(records: dict[str, Record]) -> list[str]:
    rows = []
    for key, record in records.items():
        if not key.startswith("steps/") or "fell" not in record:
            continue
        peer, _ = fastest(record, FILE)
        for tool, times in record["cpu"].items():
            ratio = median(a / b for a, b in zip(times, record["cpu"][peer], strict=True))
            rows.append(
                [
                    f"{key.removeprefix('steps/').replace('/', ', ')}, {record['steps']} steps",
                    f"**{tool}**" if tool.startswith(OURS) else tool,
                    f"{1 - mean(record['fell'][tool]) / record['samples']:.1%}",
                    f"{record['loss'][tool]:.4f}",
                    f"{median(times):.2f}",
                    f"{ratio:.2f}",
                ]
            )
        rows += [[key, tool, why, "", "", ""] for tool, why in record["absent"].items()]
    head = ["network, attack", "tool", "robust accuracy", "loss reached", "CPU s", "over the fastest peer"]
    return table(head, rows) if rows else []


def _overhead(records: dict[str, Record]) -> list[str]:
    rows = [
        [
            one.network,
            one.attack,
            "; ".join(one.record["precision"]),
            f"{one.record['forwards']:,} + {one.record['backwards']:,}",
            f"{one.attack_seconds:.2f}",
            f"{one.bare_seconds:.2f}",
            f"{one.ratio - 1.0:.1%}",
            " to ".join(f"{value - 1.0:.1%}" for value in one.spread),
        ]
        for one in timings(records, "overhead")
    ]
    head = [
        "network",
        "attack",
        "networks asked",
        "passes",
        "attack, s",
        "passes alone, s",
        "overhead",
        "over the rounds",
    ]
    return table(head, rows) if rows else []


def _queries(records: dict[str, Record]) -> list[str]:
    rows = [
        [
            one.network,
            f"{one.record['queries']:,}",
            f"{one.record['queries'] / one.attack_seconds:,.0f}",
            f"{one.record['queries'] / one.bare_seconds:,.0f}",
            f"{1.0 / one.ratio:.0%}",
        ]
        for one in timings(records, "queries")
    ]
    head = ["network", "queries", "auditor, queries per s", "bare session, queries per s", "share"]
    return table(head, rows) if rows else []


def _growth(records: dict[str, Record]) -> list[str]:
    rows = [
        [
            one.axis,
            one.value,
            f"{one.record['parameters']:,}",
            str(one.samples),
            f"{1e6 * float(one.record['cpu']) / one.passes:.1f}",
            f"{1e3 * one.per_sample:.2f}",
            f"{one.overhead:.0%}",
            f"{one.record['whole_cpu']:.2f}",
            f"{one.memory:.0f}",
        ]
        for one in growths(records)
    ]
    head = [
        "grows",
        "to",
        "parameters",
        "samples",
        "us a pass",
        "ms a sample",
        "overhead",
        "whole audit, s",
        "memory, MB",
    ]
    return table(head, rows) if rows else []
