"""The cache's records as entries: a file, and what each tool made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from benchmarks.onnx_matrix.store import Store
from benchmarks.onnx_matrix.tools import OURS, TOOLS

Cell = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """A file of a bundle. `cells` has the tools that were measured on it; none where there is no file."""

    group: str
    name: str
    exporter: str
    batch: str
    file: dict[str, Any]
    cells: dict[str, Cell]

    @property
    def label(self) -> str:
        parts = (self.name, self.exporter, self.batch and f"batch {self.batch}", self.file["variant"])
        return ", ".join(part for part in parts if part)

    @property
    def ours(self) -> Cell:
        return self.cells.get(OURS, {})

    @property
    def counts(self) -> bool:
        """Whether there is a file that a tool can be asked about."""
        return "error" not in self.file and not self.file.get("excluded")


def read(store: Store) -> list[Entry]:
    found = []
    for key, record in store.records.items():
        if not key.startswith("bundle/"):
            continue
        for file in record["files"]:
            start = f"cell/{key.removeprefix('bundle/')}/{file['variant']}/"
            cells = {tool: store.records[start + tool] for tool in TOOLS if start + tool in store.records}
            found.append(Entry(record["group"], record["name"], record["exporter"], record["batch"], file, cells))
    return found


def share(entries: Iterable[Entry], tool: str, question: str) -> tuple[int, int]:
    """How many of the entries a tool gets right, of those where the question makes sense (`None` says it does not)."""
    asked = [
        entry.cells[tool]
        for entry in entries
        if entry.counts and tool in entry.cells and entry.cells[tool][question] is not None
    ]
    return sum(bool(cell[question]) for cell in asked), len(asked)


def worst(entries: Iterable[Entry], field: str, pick: Callable[[list[float]], float] = max) -> float | None:
    """The worst value of one of our cells' fields, or None where none has it."""
    values = [entry.ours[field] for entry in entries if entry.counts and entry.ours.get(field) is not None]
    return pick(values) if values else None


def by_name(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.name, []).append(entry)
    return groups
