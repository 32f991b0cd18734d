"""Which plugins are installed, by their entry points alone: nothing is imported here."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass

GROUP = "auditor"
OWN = "auditor"


@dataclass(frozen=True)
class Plugin:
    """A plugin that was loaded: its entry point, the distribution that brought it, and the hooks it answers."""

    name: str
    distribution: str
    version: str
    hooks: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} ({self.distribution} {self.version})"

    @property
    def key(self) -> str:
        """What pluggy knows it by: two distributions may well choose one entry-point name."""
        return f"{self.distribution}/{self.name}"


@dataclass(frozen=True)
class Failure:
    """A plugin that broke, when, and how."""

    plugin: Plugin
    stage: str
    error: str


def entry_points() -> list[importlib.metadata.EntryPoint]:
    """Ours first, then by distribution and name: the order must not depend on the file system."""
    entries = importlib.metadata.entry_points(group=GROUP)
    unique = {(entry.name, entry.value): entry for entry in entries}.values()
    return sorted(unique, key=lambda e: (provenance(e).distribution != OWN, provenance(e).distribution, e.name))


def provenance(entry: importlib.metadata.EntryPoint) -> Plugin:
    """The plugin behind an entry point, and the distribution that brought it."""
    try:
        name, version = (entry.dist.name, entry.dist.version) if entry.dist else (None, None)
    except Exception:  # metadata that is damaged or missing raises whatever its parser does
        name, version = None, None
    return Plugin(entry.name, name or "unknown distribution", version or "?")
