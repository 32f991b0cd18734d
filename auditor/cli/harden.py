"""`auditor harden`: a model file in, a hardened model file out."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from auditor.cli import options

if TYPE_CHECKING:
    from auditor.harden.hardening import Hardening

_OWN = ("recipe", "epochs", "training", "time_limit", "keep_clean", "validation", "freeze", "augment")
_OUTSIDE = (*_OWN, "model", "out", "config", "resume", "quiet", "isolate")
_LIMITS = ("isolate_time", "isolate_memory")


def harden(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model file, or a name such as package.module:fn.")],
    data: Annotated[str | None, typer.Option(help="Labelled samples to train with, as `scan` takes them.")] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="NAME[:key=value,...], with additions after a plus: trades:beta=6+awp. [default: pgd]"),
    ] = None,
    norm: Annotated[list[str] | None, typer.Option(help="linf, l2 or l1. [default: linf]")] = None,
    eps: Annotated[list[str] | None, typer.Option(help="Budget to train for in [0, 1] pixels, e.g. 8/255.")] = None,
    epochs: Annotated[str | None, typer.Option(metavar="N", help="Passes over the data. [default: by recipe]")] = None,
    time_limit: Annotated[
        str | None, typer.Option(help="Train for at most, e.g., 30m: as many epochs as fit are planned.")
    ] = None,
    keep_clean: Annotated[
        str | None, typer.Option(metavar="SHARE", help="Lose at most so much clean accuracy, e.g. 0.02.")
    ] = None,
    training: Annotated[
        str | None,
        typer.Option(
            metavar="KEY=VALUE,...",
            help="Instead of the recipe's: lr, schedule, optimizer, weight_decay, label_smoothing, average, clip, "
            "warmup, batch_size.",
        ),
    ] = None,
    validation: Annotated[
        str | None, typer.Option(help="Samples for the report. [default: a tenth of --data is held out]")
    ] = None,
    freeze: Annotated[
        list[str] | None, typer.Option(metavar="PATTERN", help="Weights that stay as they are; repeatable.")
    ] = None,
    augment: Annotated[
        str | None, typer.Option(help="auto, none, or of affine,crop,flip. [default: auto, none for digits]")
    ] = None,
    suite: Annotated[str | None, typer.Option(help="Of the report: as of `scan`. [default: standard]")] = None,
    samples: Annotated[str | None, typer.Option(metavar="N", help="Samples in the report. [default: 500]")] = None,
    seed: Annotated[str | None, typer.Option(metavar="N", help="Seed of everything random. [default: 0]")] = None,
    device: options.Device = None,
    mean: options.Mean = None,
    std: options.Std = None,
    input_range: options.InputRange = None,
    layout: options.Layout = None,
    channel_order: options.ChannelOrder = None,
    input_size: options.InputSize = None,
    classes: options.Classes = None,
    weights: options.Weights = None,
    input: options.Input = None,
    constant: options.Constant = None,
    output: options.Output = None,
    trust: options.Trust = False,
    min_robust_accuracy: Annotated[str | None, typer.Option(help="Gate of the hardened model, e.g. 0.4.")] = None,
    min_clean_accuracy: Annotated[str | None, typer.Option(help="Gate of its clean accuracy.")] = None,
    out: Annotated[Path, typer.Option(help="Directory of the result.")] = Path("hardened"),
    config: options.Config = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue what was interrupted in --out.")] = False,
    without: options.Without = None,
    isolate: Annotated[
        bool,
        typer.Option("--isolate", help="Do it all in a process of its own, which no recipe can take down with it."),
    ] = False,
    isolate_time: Annotated[
        str | None, typer.Option(help="Stop it where it writes nothing for so long: no epoch ends. [default: never]")
    ] = None,
    isolate_memory: Annotated[
        str | None, typer.Option(metavar="GIB", help="Memory that its process may take, on Linux. [default: any]")
    ] = None,
    quiet: options.Quiet = False,
) -> None:
    """Train a model until it is harder to fool, and audit what came of it with attacks that it never saw.

    Exit code: 0 it helped, 1 it did not or a gate failed, 2 usage, 3 inconclusive, 4 it could not be done.
    """
    from auditor.configuration import build_settings
    from auditor.harden.crew import restarted
    from auditor.harden.hardening import RECORD, Hardening
    from auditor.harden.settings import understood
    from auditor.isolation.whole import inside, run_apart
    from auditor.plugins import load_plugins
    from auditor.sources import OUTPUTS, ConfigFile

    told = {key: said.value for key, said in ConfigFile.read(config).said().items() if key not in OUTPUTS}
    # A limit in a file is one of audits.
    told.pop("time_limit", None)
    flags = {name: value for name, value in ctx.params.items() if name not in _OUTSIDE}
    audit = build_settings({**flags, "models": [model]}, told)
    if (isolate or audit.isolate) and not inside():
        said = {name: getattr(audit, name) for name in _LIMITS if ctx.params[name] is not None or name in told}
        raise typer.Exit(
            run_apart(
                sys.argv[1:],
                out,
                out / RECORD,
                said.get("isolate_time", math.inf),
                said.get("isolate_memory", math.inf) * 2**30,
            )
        )
    plugins = load_plugins(audit.without)
    settings = understood(audit, {name: ctx.params[name] for name in _OWN}, plugins.defenses())
    if restarted() and (out / RECORD).is_file():  # torchrun repeats what ends with another code than 0.
        raise typer.Exit(json.loads((out / RECORD).read_bytes())["exit_code"])
    record = run(Hardening(settings, plugins, out, resume=resume or restarted()), quiet=quiet)
    raise typer.Exit(record["exit_code"] if record else 0)


def run(hardening: Hardening, *, quiet: bool) -> dict[str, Any] | None:
    """Harden with progress, then print and write what came of it; of several processes the first does."""
    from rich.console import Console

    from auditor.cli.harden_progress import training
    from auditor.cli.progress import progress
    from auditor.errors import Stopped
    from auditor.formats.hardened import render_hardened, write_hardened
    from auditor.harden.crew import rank_here
    from auditor.result.run import Run
    from auditor.writing import write_report

    errors, output = Console(stderr=True), Console()
    try:
        silent = quiet or rank_here() > 0
        with training(errors, quiet=silent) as step, progress(errors, quiet=silent) as listen:
            hardening.step, hardening.listen = step, listen
            record = hardening.execute()
    except KeyboardInterrupt:
        raise Stopped(
            f"stopped. What is done is safe; continue with the same flags, --out {hardening.folder} and --resume."
        ) from None
    if record is None:
        return None
    for name in ("before", "after"):
        write_report("html", Run(hardening.folder / name), hardening.plugins)
    write_hardened(record, hardening.folder, hardening.plugins.templates())
    if quiet:
        output.print(record["result"], soft_wrap=True, highlight=False, markup=False)
    else:
        render_hardened(record, hardening.folder, output)
    return record
