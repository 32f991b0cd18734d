"""The page's tables, each as lines of Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from benchmarks.onnx_matrix.entries import Entry, by_name, share, worst
from benchmarks.onnx_matrix.store import Record
from benchmarks.onnx_matrix.tools import OURS, PEERS, TOOLS

QUESTIONS = ("agrees", "gradient", "batch")
TITLES = {
    "torchvision": "torchvision, float",
    "quantised": "torchvision, quantised",
    "other": "recurrent, transformer, audio, resize",
    "foreign": "foreign files",
}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Markdown; all columns but the first are aligned to the right if they start with a digit somewhere."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]


def ratio(pair: tuple[int, int]) -> str:
    return f"{pair[0]}/{pair[1]}" if pair[1] else "–"


def number(value: float | None, form: str = ".1e") -> str:
    return "–" if value is None else format(value, form)


def summary(entries: list[Entry]) -> list[str]:
    rows = []
    for group, title in TITLES.items():
        mine = [entry for entry in entries if entry.group == group]
        for question, words in zip(QUESTIONS, ("agrees", "gradient", "batch of 4"), strict=True):
            rows.append([title, words, *[ratio(share(mine, tool, question)) for tool in TOOLS]])
    return table(["group", "right", *TOOLS], rows)


def _peers(entries: list[Entry]) -> list[str]:
    """Agrees / gradient / batch for each peer, in numbers of files, and of how many where not all were measured."""
    return [_peer(entries, tool) for tool in PEERS]


def _peer(entries: list[Entry], tool: str) -> str:
    counted = [entry for entry in entries if entry.counts]
    measured = sum(tool in entry.cells for entry in counted)
    if not measured:
        return "not run"
    right = " / ".join(str(share(entries, tool, question)[0]) for question in QUESTIONS)
    return right if measured == len(counted) else f"{right} of {measured}"


def _ways(entries: list[Entry]) -> str:
    counts = Counter(entry.ours["way"] for entry in entries if "way" in entry.ours)
    return ", ".join(f"{count} {way}" for way, count in counts.most_common()) or "–"


def _opsets(entries: list[Entry]) -> str:
    """The opsets that the files really have."""
    counts = Counter(entry.file["opset"] for entry in entries if entry.counts)
    return ", ".join(f"{opset} ×{count}" for opset, count in sorted(counts.items())) or "no file"


def floats(entries: list[Entry]) -> list[str]:
    """One row a network: ours in detail, the peers in numbers of files."""
    rows = []
    for name, mine in by_name(entries).items():
        rows.append(
            [
                name,
                _opsets(mine),
                ratio(share(mine, OURS, "agrees")),
                ratio(share(mine, OURS, "ranks")),
                ratio(share(mine, OURS, "gradient")),
                f"{ratio(share(mine, OURS, 'batch'))}: {_ways(mine)}",
                number(worst(mine, "difference")),
                number(worst(mine, "itself")),
                number(worst(mine, "gradient_error")),
                number(worst(mine, "load_s"), ".2f"),
                *_peers(mine),
            ]
        )
    head = ["network", "opsets", "agrees", "ranks", "gradient", "batch", "error", "itself", "gradient error", "load, s"]
    return table([*head, *PEERS], rows)


def quantised(entries: list[Entry]) -> list[str]:
    rows = []
    for name, mine in by_name(entries).items():
        rows.append(
            [
                name,
                ratio(share(mine, OURS, "agrees")),
                ratio(share(mine, OURS, "gradient")),
                f"{ratio(share(mine, OURS, 'batch'))}: {_ways(mine)}",
                f"{number(worst(mine, 'quanta'), '.1f')} / {number(worst(mine, 'quanta_itself'), '.1f')}",
                f"{number(worst(mine, 'difference'), '.1%')} / {number(worst(mine, 'itself'), '.1%')}",
                number(worst(mine, "cosine", min), ".2f"),
                *_peers(mine),
            ]
        )
    head = ["network", "agrees", "gradient", "batch", "quanta: twin / itself", "share: twin / itself", "cosine", *PEERS]
    return table(head, rows)


def foreign(entries: list[Entry]) -> list[str]:
    """One row a file; yes and no of agrees / gradient / batch for each tool."""
    rows = []
    for entry in entries:
        if entry.file.get("excluded") or "error" in entry.file:
            continue
        kind = f"{entry.file['producer']}, opset {entry.file['opset']}" + (", int8" if entry.file["quantised"] else "")
        rows.append(
            [
                f"{entry.name}: {entry.file['variant']}",
                kind,
                *[_marks(entry, tool) for tool in TOOLS],
                number(entry.ours.get("difference")),
                number(entry.ours.get("itself")),
                number(entry.ours.get("gradient_error")),
                entry.ours.get("way", "–"),
                number(entry.ours.get("load_s"), ".2f"),
            ]
        )
    head = ["file", "made by", *TOOLS, "error", "itself", "gradient error", "batch", "load, s"]
    return table(head, rows)


def _marks(entry: Entry, tool: str) -> str:
    if tool not in entry.cells:
        return "not run"
    words = {True: "yes", False: "no", None: "–"}
    return " / ".join(words[entry.cells[tool][question]] for question in QUESTIONS)


def speed(records: dict[str, Record], *, large: bool) -> list[str]:
    """Ratios to eager PyTorch (forward and backward) and to ONNX Runtime (forward)."""
    rows = []
    for key, record in records.items():
        name, size, batch = key.split("/")[1:]
        if (int(batch) > 1) is not large:
            continue
        if "error" in record:
            rows.append([name, size, batch, record["error"], *[""] * (len(TOOLS) + 2)])
            continue
        tools = record["tools"]
        rows.append(
            [
                name,
                size,
                batch,
                f"{record['eager_s'] * 1e3:.0f}",
                *[number(tools[tool].get("over_eager"), ".2f") for tool in TOOLS],
                number(tools[OURS].get("forward_over_runtime"), ".2f"),
                number(tools[OURS].get("load_s"), ".2f"),
            ]
        )
    head = ["network", "pixels", "batch", "eager, ms", *TOOLS, "forward over ONNX Runtime's", "load, s"]
    return table(head, rows)


def unwritten(entries: list[Entry]) -> list[str]:
    """What the exporters, the quantiser and ONNX Runtime said where there is no file of the opset asked for."""
    said: Counter[tuple[str, str]] = Counter()
    for entry in entries:
        words = entry.file.get("error") or (entry.file.get("said") and f"export: {entry.file['said']}")
        if words and entry.group != "foreign":
            said[f"{entry.exporter}, batch {entry.batch}" if entry.batch else entry.exporter, str(words)] += 1
    return [f"- {count} × {where}: `{_code(words)}`" for (where, words), count in said.most_common()]


def failures(entries: list[Entry], tool: str) -> list[str]:
    """A tool's errors, verbatim in their first line, with how often and one place where."""
    found: dict[tuple[str, str], list[str]] = {}
    for entry in entries:
        cell = entry.cells.get(tool, {})
        if entry.counts and "error" in cell:
            found.setdefault((TITLES[entry.group], cell["error"]), []).append(entry.label)
    ordered = sorted(found.items(), key=lambda item: -len(item[1]))
    return [f"- {title}, {len(places)} × (e.g. {places[0]}): `{_code(words)}`" for (title, words), places in ordered]


def _code(words: str) -> str:
    return words.replace("`", "'").replace("\n", " ")
