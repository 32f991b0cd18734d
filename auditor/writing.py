"""Where a run's reports go, and how they get there: for every front end that writes some."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from auditor.plugins import Plugins
    from auditor.result.run import Run


def check_formats(text: str, plugins: Plugins) -> tuple[str, ...]:
    """The names of the formats to write. Raises UsageError for one that is not installed."""
    from auditor.errors import UsageError

    names = tuple(name.strip() for name in text.split(",") if name.strip())
    available = plugins.formats()
    if unknown := [name for name in names or ("",) if name not in available]:
        raise UsageError(f"There is no format {unknown[0]!r}; choose from {', '.join(sorted(available))}.")
    return names


def write_report(name: str, run: Run, plugins: Plugins) -> Path:
    """Render one format into the run directory.

    Raises:
        RunError: the format breaks, or its file cannot be written.
    """
    from auditor.border import foreign, said
    from auditor.errors import PluginError, RunError
    from auditor.offers import RECORDS
    from auditor.result.evidence import atomic_write

    form = plugins.formats()[name]
    path = run.path / form.filename
    if form.filename in RECORDS and name != "json":
        raise RunError(f"The format {name!r} broke: {form.filename} is the record's own file.")
    try:
        with foreign():
            text = form.render(run, plugins.templates())
            if not isinstance(text, str):
                raise PluginError(f"it gave {type(text).__name__} in place of a text")
            content = text.encode()
    except RunError:
        raise
    except Exception as error:  # a plugin border: a broken format hurts only itself
        raise RunError(f"The format {name!r} broke: {said(error)}.") from error
    try:
        atomic_write(path, content)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror}.") from error
    return path


def default_folder(model: str) -> Path:
    """`auditor-runs/MODEL-TIME`, a folder that is not there yet."""
    from datetime import datetime

    from auditor.result.evidence import slug

    name = f"{slug(Path(model).stem)}-{datetime.now():%Y%m%d-%H%M%S}"
    names = (name, *(f"{name}-{number}" for number in range(2, 1000)))
    return next(path for path in map(Path("auditor-runs").joinpath, names) if not path.exists())
