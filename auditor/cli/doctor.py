"""`auditor doctor`: what works on this machine, and what a model file holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from auditor.cli import options

if TYPE_CHECKING:
    from rich.console import Console


def doctor(
    ctx: typer.Context,
    model: Annotated[str | None, typer.Argument(help="A model to look into; without it, only the machine.")] = None,
    data: Annotated[
        str | None, typer.Option(help="Samples to try the model with, where noise of the declared shape will not do.")
    ] = None,
    mean: options.Mean = None,
    std: options.Std = None,
    input_range: options.InputRange = None,
    channel_order: options.ChannelOrder = None,
    layout: options.Layout = None,
    input_size: options.InputSize = None,
    classes: options.Classes = None,
    weights: options.Weights = None,
    input: options.Input = None,
    constant: options.Constant = None,
    output: options.Output = None,
    provider: options.Provider = None,
    device: options.Device = None,
    trust: options.Trust = False,
    without: options.Without = None,
) -> None:
    """Check the installation; or say what a model file holds, what auditor can do with it, and what stands in the way.

    Exit code: 0 the installation, or the model, can be worked with; 4 it cannot.
    """
    from rich.console import Console

    from auditor.plugins import load_plugins

    console = Console()
    plugins = load_plugins(without or ())
    if model is None:
        _machine(console)
        problems = _problems([f"{f.plugin} is broken at {f.stage}: {f.error}" for f in plugins.failures])
        for problem in problems:
            console.print(f"problem: {problem}", highlight=False, markup=False, soft_wrap=True)
        if not problems:
            console.print("Nothing is wrong with the installation.")
        raise typer.Exit(4 if problems else 0)
    from auditor.cli.doctor_file import describe
    from auditor.cli.doctor_model import examine
    from auditor.cli.doctor_page import render_identity, render_trial
    from auditor.configuration import build_settings

    said = {name: value for name, value in ctx.params.items() if name != "model"}
    settings = build_settings(said | {"models": [model], "data": data or "noise"}, {})
    page = describe(model)
    told = bool(page.identity)
    if told:  # before anything of it is run, which may take long
        render_identity(page, console)
    try:
        examine(page, settings, plugins, noise=data is None)
    except KeyboardInterrupt:
        typer.echo("auditor: stopped before the model was tried out.", err=True)
        raise typer.Exit(130) from None
    if not told:
        render_identity(page, console)
    render_trial(page, console)
    raise typer.Exit(0 if page.usable else 4)


def _machine(console: Console) -> None:
    import os

    from auditor.engine.environment import choose_device, environment

    facts = {**environment(choose_device("auto")), "cores": os.cpu_count()}
    try:
        import onnxruntime

        facts["providers"] = ", ".join(onnxruntime.get_available_providers())
    except (ImportError, AttributeError):
        facts["providers"] = "none"
    for name, value in facts.items():
        console.print(f"{name:<18} {value}", highlight=False)


def _problems(broken: list[str]) -> list[str]:
    """What is wrong with the installation, each with its remedy."""
    import importlib.metadata

    import torch

    installed = []
    for package in ("onnxruntime", "onnxruntime-gpu"):
        try:
            importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
        installed.append(package)
    problems = [f"plugin {text}" for text in broken]
    if len(installed) == 2:
        problems.append(
            "onnxruntime and onnxruntime-gpu are both installed, and one silently overwrites the other: "
            "pip uninstall -y onnxruntime onnxruntime-gpu, then install the one you want"
        )
    try:
        import onnxruntime

        onnxruntime.get_available_providers()
    except (ImportError, AttributeError) as error:
        problems.append(f"onnxruntime does not import ({error}): reinstall it")
    if torch.cuda.is_available() and "onnxruntime-gpu" not in installed:
        problems.append("there is a CUDA device, and onnxruntime cannot use it: install onnxruntime-gpu instead")
    return problems
