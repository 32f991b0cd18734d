"""The page, every number of it from the cache."""

from __future__ import annotations

import time

from benchmarks.onnx_matrix import tables
from benchmarks.onnx_matrix.entries import Entry, read, share, worst
from benchmarks.onnx_matrix.judging import COSINE, FLOAT, JUDGED, QUANTA, ROUNDING, SAFETY, SHARE, TARGET, TWICE
from benchmarks.onnx_matrix.reference import NOISE, NOISY, PROBES, ROWS
from benchmarks.onnx_matrix.speed import ROUNDS, SMALL_ROUNDS
from benchmarks.onnx_matrix.store import Record, Store
from benchmarks.onnx_matrix.tools import OURS, PEERS, TOOLS

_SLOWER, _LOADING, _FOREIGN = 1.05, 1.0, 0.95


def render(store: Store) -> str:
    """Markdown of everything that the cache holds."""
    entries = read(store)
    speed = {key: record for key, record in store.records.items() if key.startswith("speed/")}
    groups = {name: [entry for entry in entries if entry.group == name] for name in tables.TITLES}
    parts = [
        "# The ONNX matrix: who can differentiate which file",
        _origin(store.records),
        "## What must be reached",
        *tables.table(["target", "measured", "met"], _targets(groups, speed)),
        "",
        "## Files that each tool gets right",
        "Right means: converts, and the answers agree with ONNX Runtime's; the gradient is right; a batch of "
        f"{ROWS} different rows gives each row's own answer, natively or through `torch.vmap`, which is tried for "
        "every tool alike. A tool that does not agree has no right gradient.\n",
        *tables.summary(entries),
        "",
        _meaning(),
        "## torchvision's families, float",
        *tables.floats(groups["torchvision"]),
        "",
        "## torchvision's families, quantised",
        *tables.quantised(groups["quantised"]),
        "",
        "## Recurrent, transformer, audio, resize",
        *tables.floats(groups["other"]),
        "",
        "## Files that nobody here wrote",
        *tables.foreign(groups["foreign"]),
        "",
        *_uncounted(groups["foreign"]),
        "## Speed",
        _speed_words(),
        *tables.speed(speed, large=True),
        "",
        "The same at the matrix's own small sizes and a batch of 1, where overhead is most of the time:\n",
        *tables.speed(speed, large=False),
        "",
        "## Where we lose",
        *_losses(entries, speed),
        "",
        "## What failed, in its own words",
        *_failures(entries),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _origin(records: dict[str, Record]) -> str:
    facts = records.get("facts", {})
    times = [record["time"] for key, record in records.items() if key.startswith(("cell/", "speed/"))] or [0]
    first, last = (time.strftime("%d %B %Y", time.gmtime(moment)).lstrip("0") for moment in (min(times), max(times)))
    packages = ", ".join(f"{name} {version}" for name, version in facts.get("packages", {}).items())
    peers = ", ".join(f"{name} {version}" for name, version in PEERS.items())
    return f"""
Made by a command; nothing here is typed by hand:

    python -m benchmarks.onnx_matrix peers --cache CACHE
    OMP_NUM_THREADS=1 python -m benchmarks.onnx_matrix run --cache CACHE
    python -m benchmarks.onnx_matrix render --cache CACHE

Measured {first if first == last else f"{first} to {last}"} at commit {facts.get("commit")} on \
{facts.get("cores")} cores ({facts.get("processor")}, {facts.get("system")}), one thread, no GPU, \
Python {facts.get("python")}, {packages}. \
Compared: {peers}.
"""


def _targets(groups: dict[str, list[Entry]], speed: dict[str, Record]) -> list[list[str]]:
    rows = []

    def add(target: str, measured: str, met: bool | None) -> None:
        rows.append([target, measured, {True: "yes", False: "**no**", None: "not measured"}[met]])

    for group, words in (("torchvision", "float"), ("quantised", "int8")):
        right, n = share(groups[group], OURS, "agrees")
        add(f"100 % of the torchvision matrix, {words}", f"{right} of {n}", right == n if n else None)
        right, n = share(groups[group], OURS, "gradient")
        rest = share(groups[group], OURS, "agrees")[1] - n
        unknown = f", {rest} not judged" if rest else ""
        add(f"its gradients, {words}", f"{right} of {n}{unknown}", right == n if n else None)
    right, n = share(groups["foreign"], OURS, "agrees")
    add(
        f"{_FOREIGN:.0%} of foreign files that ONNX Runtime runs and that take floats",
        f"{right} of {n}",
        right >= _FOREIGN * n if n else None,
    )
    floats = [entry for group in groups.values() for entry in group if not _is_quantised(entry)]
    error = worst(floats, "difference")
    add(
        f"float error at most {TARGET:.0e} of the output scale",
        f"{_within(floats)}; worst {tables.number(error)}",
        None if error is None else error <= TARGET,
    )
    ratios = [_ratio(record) for key, record in speed.items() if not key.endswith("/1")]
    known = [value for value in ratios if value is not None]
    add(
        f"forward and backward at most {_SLOWER} of eager PyTorch",
        f"{sum(value <= _SLOWER for value in known)} of {len(known)} networks at 224 pixels, worst "
        + tables.number(max(known, default=None), ".2f"),
        max(known) <= _SLOWER if known else None,
    )
    resnet = next((record for key, record in speed.items() if "/resnet50/224" in key and "tools" in record), None)
    loading = resnet and resnet["tools"][OURS].get("load_s")
    add(
        f"loading ResNet-50 in at most {_LOADING:.0f} s",
        f"{tables.number(loading, '.2f')} s",
        None if loading is None else loading <= _LOADING,
    )
    return rows


def _is_quantised(entry: Entry) -> bool:
    return entry.group == "quantised" or bool(entry.file.get("quantised"))


def _within(entries: list[Entry]) -> str:
    measured = [entry for entry in entries if entry.counts and "difference" in entry.ours]
    beyond = [entry for entry in measured if entry.ours["difference"] > TARGET]
    own = sum(entry.ours["difference"] <= entry.ours["itself"] for entry in beyond)
    said = f", and of the {len(beyond)} others {own} within what ONNX Runtime differs from itself" if beyond else ""
    return f"{len(measured) - len(beyond)} of {len(measured)} files{said}"


def _ratio(record: Record, tool: str = OURS) -> float | None:
    found: float | None = record.get("tools", {}).get(tool, {}).get("over_eager")
    return found


def _meaning() -> str:
    return f"""What the columns say:

- **agrees**: a float file's largest difference to ONNX Runtime is at most {FLOAT:g} of the largest output, and every
  row with a clear winner keeps it. A quantised file's is at most {QUANTA} quanta of its output, or {SHARE:.0%} of the
  largest output, or {TWICE:g} times what ONNX Runtime differs from itself: both sides are that far from what the file
  means. The same for every tool; what the twin really reaches is in *error*.
- **itself**: how far ONNX Runtime differs from itself: without its optimisations, and with {NOISY} inputs that differ
  by one part in {1 / NOISE:,.0f}, about what a layer's sum loses to rounding.
- **ranks**: that rows with a clear winner keep it.
- **gradient**: for our own networks, cosine with eager PyTorch's gradient at least {COSINE}; *gradient error* is the
  norm of the difference over its norm. For foreign files, {PROBES} slopes of ONNX Runtime's answers along random
  directions, by central differences with growing steps; where two steps in a row differ by more than {JUDGED:.0%}, the
  slope is not known and nobody is judged (–), else a tool may be {ROUNDING:g} + {SAFETY:g} times that away. For
  quantised files, which have steps and no slopes: a step along the sign of the gradient raises ONNX Runtime's answer
  by more than any of 16 random signs; where the gradient of the float network that the file was made from does not do
  that either, nobody is judged (–). *cosine* compares with that gradient.
- **batch**: how a batch of {ROWS} runs.
- **onnx2torch, onnx2pytorch, onnx2fx**: files that agree / whose gradient is right / whose batch is right, of as many
  files as ours where no other number is said.

Our own networks have random weights, with noise on every parameter and spread statistics, so that no part is inert.
Files: both exporters, batch of 1 and free, opsets 13, 17 and 20. The opset of a file is read from the file: where an
exporter leaves 18 instead of 17 and 13, that is one file, and the exporter's reason stands at the end. *error*,
*itself*, *gradient error* and *load* are the worst over a row's files.
"""


def _uncounted(entries: list[Entry]) -> list[str]:
    lines = [
        f"- {entry.name}: {entry.file['variant']}: {entry.file.get('excluded') or entry.file['error']}"
        + (f" (our answer: `{entry.ours['error']}`)" if "error" in entry.ours else "")
        for entry in entries
        if not entry.counts
    ]
    return ["Not counted:\n", *lines, ""] if lines else []


def _speed_words() -> str:
    return f"""
Files of the newer exporter with a free batch, newest opset. Each tool's forward and backward pass over eager
PyTorch's: paired, one after the other, median of the ratios of {ROUNDS} rounds ({SMALL_ROUNDS} for the small
sizes); 1 is the same, less is faster, – was not converted. The last but one column is the twin's
forward pass over ONNX Runtime's.
"""


def _losses(entries: list[Entry], speed: dict[str, Record]) -> list[str]:
    lines = []
    for entry in entries:
        for tool in PEERS:
            better = [
                question
                for question in tables.QUESTIONS
                if entry.counts and entry.cells.get(tool, {}).get(question) and entry.ours.get(question) is False
            ]
            if better:
                lines.append(f"- {entry.label}: {tool} is right in {', '.join(better)}, we are not")
    for key, record in speed.items():
        ours = _ratio(record)
        name = key.removeprefix("speed/").replace("/", ", ")
        if ours is not None and ours > _SLOWER:
            lines.append(f"- {name}: {ours:.2f} of eager PyTorch's time")
        faster = {tool: value for tool in PEERS if ours and (value := _ratio(record, tool)) and value < 0.97 * ours}
        if faster:
            words = ", ".join(f"{tool} {value:.2f}" for tool, value in faster.items())
            lines.append(f"- {name}: {words} where we take {ours:.2f}")
    return lines or ["Nowhere in what was measured."]


def _failures(entries: list[Entry]) -> list[str]:
    lines = []
    for tool in TOOLS:
        found = tables.failures(entries, tool)
        lines += [f"### {tool}\n", *(found or ["None."]), ""]
    found = tables.unwritten(entries)
    return [*lines, "### Exporters, quantiser, ONNX Runtime: no such file\n", *(found or ["None."])]
