"""`auditor report`: render a finished run again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from auditor.cli import options


def report(
    run: Annotated[Path, typer.Argument(help="Run directory.")],
    formats: options.Formats = "html",
    without: options.Without = None,
    quiet: options.Quiet = False,
) -> None:
    """Write reports of a finished run again, from its directory alone."""
    from rich.console import Console

    from auditor.plugins import load_plugins
    from auditor.result.run import Run
    from auditor.writing import check_formats, write_report

    plugins = load_plugins(without or ())
    finished = Run(run)
    for name in check_formats(formats or "html", plugins):
        path = write_report(name, finished, plugins)
        if not quiet:
            Console().print(str(path), soft_wrap=True, highlight=False, markup=False)
