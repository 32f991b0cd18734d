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

    def answers_to(self, name: str) -> bool:
        """Whether somebody who says `name` means it."""
        return name in (self.name, self.distribution)


ALL = "all"


@dataclass(frozen=True, kw_only=True)
class Isolation:
    """Which plugins run in a process of their own, and what they may take there.

    Attributes:
        names: of plugins or distributions; `all` means those of other distributions than ours.
        seconds: that one piece of work may take (an attack on one batch, a check, a report), without those in which it
            waits for the model.
        memory: bytes that the process may hold; only Linux tells us how many they are.
    """

    names: tuple[str, ...] = ()
    seconds: float = 600.0
    memory: float = 4.0 * 2**30

    def wants(self, plugin: Plugin) -> bool:
        """Whether this plugin is one of them."""
        return any(map(plugin.answers_to, self.names)) or (ALL in self.names and plugin.distribution != OWN)


@dataclass(frozen=True)
class Failure:
    """A plugin that broke, when, and how."""

    plugin: Plugin
    stage: str
    error: str

    def __str__(self) -> str:
        return f"{self.plugin}, at {self.stage}: {self.error}"


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
