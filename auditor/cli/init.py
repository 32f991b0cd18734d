"""`auditor init`: ask little, write a commented configuration that works."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

_TEMPLATE = """\
# Settings of `auditor scan`; every flag can stand here, without its dashes. Flags on the command line win.
models = [{model}]
data = {data}            # folder of class folders, .npz, .csv, .parquet

norm = ["linf"]
eps = [{eps}]
suite = "standard"       # quick, standard, thorough
# samples = 1000         # audit a stratified subset

# What the model wants of pixels in [0, 1]; see `auditor explain AUD104` if accuracy looks wrong.
# mean = "0.485,0.456,0.406"
# std = "0.229,0.224,0.225"
# layout = "auto"        # nchw, nhwc, flat
# classes = "classes.txt"

# Gates: the scan fails (exit code 1) when the whole interval lies below.
{hash}min-robust-accuracy = {gate}
# min-clean-accuracy = 0.9
confidence = 0.95
format = "html,json"
"""


def init(
    model: Annotated[str | None, typer.Option(help="Model file. [default: the one that is here]")] = None,
    data: Annotated[str | None, typer.Option(help="Labelled samples. [default: what is here]")] = None,
    eps: Annotated[str | None, typer.Option(help="Budget. [default: 8/255]")] = None,
    gate: Annotated[
        str | None, typer.Option("--min-robust-accuracy", help="What a release needs, e.g. 0.4. [default: no gate]")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing; take what is here and the defaults.")] = False,
    path: Annotated[Path, typer.Option("--file", help="File to write.")] = Path("auditor.toml"),
) -> None:
    """Write auditor.toml with the settings that most audits need.

    On a terminal it asks for those that are not given as flags, and proposes what it finds in the current folder.
    """
    from shlex import quote

    from auditor.cli.init_guess import guess_data, guess_model
    from auditor.configuration import parse_threats
    from auditor.errors import UsageError
    from auditor.values import AMOUNTS

    if path.exists():
        raise UsageError(f"{path} is there already; it was left as it is.")
    share = AMOUNTS["min_robust_accuracy"]
    asked = _Asking(not yes and sys.stdin.isatty() and sys.stdout.isatty())
    model = asked.for_text("Model file", model, guess_model(Path()) or "model.onnx", partial(_name, "--model"))
    data = asked.for_text("Labelled samples", data, guess_data(Path()) or "images/", partial(_name, "--data"))
    eps = asked.for_text("Budget in linf", eps, "8/255", lambda text: parse_threats([], [text]))
    gate = asked.for_text(
        "Robust accuracy that a release needs (none: no gate)",
        gate,
        "none",
        lambda text: text == "none" or share.parse(text, "--min-robust-accuracy"),
    )
    text = _TEMPLATE.format(
        model=json.dumps(model),
        data=json.dumps(data),
        eps=json.dumps(eps),
        hash="# " if gate == "none" else "",
        gate=0.4 if gate == "none" else share.parse(gate, "--min-robust-accuracy"),
    )
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.") from error
    missing = [name for name in (model, data) if not Path(name).exists() and ":" not in name]
    for name in missing:
        typer.echo(f"{name} is not here; write in {path} where it is.")
    where = "" if path == Path("auditor.toml") else f" --config {quote(str(path))}"
    typer.echo(f"Wrote {path}. Next: auditor doctor {quote(model)} --data {quote(data)}, then auditor scan{where}")


class _Asking:
    """Asks on a terminal; elsewhere takes what is given or proposed."""

    def __init__(self, terminal: bool) -> None:
        self.terminal = terminal

    def for_text(self, question: str, given: str | None, proposed: str, check: Callable[[str], object]) -> str:
        """What is given, else the answer.

        Raises:
            UsageError: what is given does not pass `check`, or no answer comes.
            Stopped: Ctrl-C.
        """
        from auditor.errors import Stopped, UsageError

        if given is not None or not self.terminal:
            check(proposed if given is None else given)
            return proposed if given is None else given

        def checked(text: str) -> str:
            try:
                check(text)
            except UsageError as error:
                raise typer.BadParameter(str(error)) from error
            return text

        try:
            return str(typer.prompt(question, default=proposed, value_proc=checked))
        except typer.Abort as error:
            typer.echo("", err=True)  # The cursor stands behind the question.
            if isinstance(error.__context__, KeyboardInterrupt):
                raise Stopped("stopped; nothing was written.") from None
            raise UsageError(
                "The answers ended too early, and nothing was written; --yes asks nothing, and flags answer ahead."
            ) from None


def _name(flag: str, text: str) -> None:
    """Raises UsageError where a name of a file is blank."""
    from auditor.errors import UsageError

    if not text.strip():
        raise UsageError(f"{flag} is empty; name a file, or leave the flag out.")
