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

    from auditor.cli.scan import check_formats
    from auditor.errors import RunError
    from auditor.plugins import load_plugins
    from auditor.result.run import Run

    plugins = load_plugins(without or ())
    finished, available = Run(run), plugins.formats()
    for name in check_formats(formats or "html", plugins):
        path = run / available[name].filename
        try:
            path.write_text(available[name].render(finished, plugins.templates()), encoding="utf-8")
        except OSError as error:
            raise RunError(f"{path} cannot be written: {error.strerror}.") from error
        if not quiet:
            Console().print(str(path), soft_wrap=True, highlight=False, markup=False)
