"""Finished runs in the tracking that a team has already: trackers are plugins that listen for `ReportsWritten`.

A tracker is named with `--track NAME` and does nothing unless it is. The libraries are optional extras.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from auditor.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from auditor.plugins import Plugins

# Of our own trackers: the module that each needs, and the extra that brings it.
_NEEDED = {"mlflow": ("mlflow", "auditor[mlflow]"), "dvc": ("dvclive", "auditor[dvc]")}


def check_trackers(names: Iterable[str], plugins: Plugins) -> tuple[str, ...]:
    """The names, once each.

    Raises:
        UsageError: no plugin of that name listens, or its library is not installed.
    """
    wanted = tuple(dict.fromkeys(name.strip() for name in names if name.strip()))
    listening = [plugin.name for plugin in plugins.loaded if "auditor_event" in plugin.hooks]
    for name in wanted:
        if name not in listening:
            there = f"choose from {', '.join(sorted(listening))}" if listening else "none is installed"
            raise UsageError(f"There is no tracker {name!r}; {there}.")
        module, extra = _NEEDED.get(name, ("", ""))
        if module and find_spec(module) is None:
            raise UsageError(f"--track {name} needs {module}, which is not installed: pip install '{extra}'.")
    return wanted
