"""`auditor init`: write a commented configuration that works."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_TEMPLATE = """\
# Settings of `auditor scan`; every flag can stand here, without its dashes. Flags on the command line win.
models = [{model}]
data = {data}            # folder of class folders, .npz, .csv, .parquet

norm = ["linf"]
eps = ["8/255"]
suite = "standard"       # quick, standard, thorough
# samples = 1000         # audit a stratified subset

# What the model wants of pixels in [0, 1]; see `auditor explain AUD104` if accuracy looks wrong.
# mean = "0.485,0.456,0.406"
# std = "0.229,0.224,0.225"
# layout = "auto"        # nchw, nhwc, flat
# classes = "classes.txt"

# Gates: the scan fails (exit code 1) when the whole interval lies below.
# min-robust-accuracy = 0.4
# min-clean-accuracy = 0.9
confidence = 0.95
format = "html,json"
"""


def init(
    model: Annotated[str, typer.Option(help="Model file or name.")] = "model.onnx",
    data: Annotated[str, typer.Option(help="Labelled samples.")] = "images/",
    path: Annotated[Path, typer.Option("--file", help="File to write.")] = Path("auditor.toml"),
) -> None:
    """Write auditor.toml with the settings that most audits need."""
    import json

    from auditor.errors import UsageError

    if path.exists():
        raise UsageError(f"{path} is there already; it was left as it is.")
    try:
        path.write_text(_TEMPLATE.format(model=json.dumps(model), data=json.dumps(data)), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.") from error
    typer.echo(f"Wrote {path}. Next: auditor scan")
