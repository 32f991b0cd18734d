"""`auditor demo`: an audit of the embedded example."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from auditor.cli import options


def demo(
    out: Annotated[Path | None, typer.Option(help="Run directory. [default: auditor-runs/demo-TIME]")] = None,
    show: Annotated[bool, typer.Option("--open/--no-open", help="Open the report in a browser.")] = True,
    quiet: options.Quiet = False,
) -> None:
    """Audit two small classifiers of real handwritten digits, a plain and a hardened one, behind a gate of 50 %.

    The exit code is 0 when the audit itself worked, although the plain one fails the gate.
    """
    import sys
    import webbrowser
    from importlib.resources import as_file, files

    from auditor.cli.scan import run
    from auditor.configuration import build_settings
    from auditor.plugins import load_plugins
    from auditor.writing import default_folder

    with as_file(files("auditor.demo")) as folder:
        flags = {
            "models": [str(folder / "plain.onnx"), str(folder / "hardened.onnx")],
            "data": str(folder / "digits.npz"),
            "norm": ["linf"],
            "eps": ["0.1", "0.2", "0.3"],
            "suite": "quick",
            "samples": 200,
            # Chosen by measurement, the precision of the search would move a sample or two from one run to the next.
            "precision": "float32",
            "min_robust_accuracy": "50%",
        }
        settings = build_settings(flags, {})
        where = out or default_folder("demo")
        result = run(settings, load_plugins(), where, ("html",), resume=False, quiet=quiet)
    page = (where / "report.html").resolve()
    if show and sys.stdout.isatty():
        webbrowser.open(page.as_uri())
    raise typer.Exit(0 if result.verdict in ("pass", "fail", "inconclusive") else result.exit_code)
