"""`auditor doctor`: what works on this machine, and what a model file holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from auditor.cli import options

if TYPE_CHECKING:
    from rich.console import Console

    from auditor.target.base import Target


def doctor(
    model: Annotated[str | None, typer.Argument(help="A model to look into; without it, only the machine.")] = None,
    weights: options.Weights = None,
    device: options.Device = None,
    trust: options.Trust = False,
    without: options.Without = None,
) -> None:
    """Check the installation, and say what a model file holds and what stands in the way of auditing it."""
    from rich.console import Console

    console = Console()
    healthy = _machine(console)
    if model is not None:
        _model(console, model, weights, device, trust, tuple(without or ()))
    raise typer.Exit(0 if healthy else 4)


def _machine(console: Console) -> bool:
    import importlib.metadata
    import os

    import torch

    from auditor.engine.environment import choose_device, environment
    from auditor.plugins import load_plugins

    for name, value in environment(choose_device("auto")).items():
        console.print(f"{name:<18} {value}", highlight=False)
    console.print(f"{'cores':<18} {os.cpu_count()}", highlight=False)
    both = []
    for package in ("onnxruntime", "onnxruntime-gpu"):
        try:
            importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
        both.append(package)
    problems = [f"plugin {f.plugin} is broken at {f.stage}: {f.error}" for f in load_plugins().failures]
    if len(both) == 2:
        problems.append(
            "onnxruntime and onnxruntime-gpu are both installed, and one silently overwrites the other: "
            "pip uninstall -y onnxruntime onnxruntime-gpu, then install the one you want"
        )
    try:
        import onnxruntime

        console.print(f"{'providers':<18} {', '.join(onnxruntime.get_available_providers())}", highlight=False)
    except (ImportError, AttributeError) as error:
        problems.append(f"onnxruntime does not import ({error}): reinstall it")
    if torch.cuda.is_available() and "onnxruntime-gpu" not in both:
        problems.append("there is a CUDA device, and onnxruntime cannot use it: install onnxruntime-gpu instead")
    for problem in problems:
        console.print(f"problem: {problem}", highlight=False, markup=False, soft_wrap=True)
    if not problems:
        console.print("Nothing is wrong with the installation.")
    return not problems


def _model(
    console: Console, model: str, weights: str | None, device: str | None, trust: bool, without: tuple[str, ...]
) -> None:
    from auditor.engine.environment import choose_device
    from auditor.plugins import load_plugins
    from auditor.target.base import ModelOptions

    options_ = ModelOptions(weights=weights, trust=trust)
    target = load_plugins(without).load_model(model, options_, choose_device(device or "auto"))
    facts = {
        "model": target.source,
        "format": target.format,
        "sha256": target.sha256,
        "input": "x".join("any" if d is None else str(d) for d in target.input_shape or ()) or "not stated",
        **target.details,
    }
    with target.frozen():
        facts |= _tried(target)
    console.print()
    for name, value in facts.items():
        console.print(f"{name:<18} {value}", highlight=False, markup=False, soft_wrap=True)
    for finding in target.findings:
        said = f"{finding.severity}: {finding.code} {finding.title}. {finding.detail} {finding.remedy}"
        console.print(said, highlight=False, markup=False, soft_wrap=True)


def _tried(target: Target) -> dict[str, object]:
    """What asking the model about noise tells, where it says which shape it wants."""
    import torch

    from auditor.errors import AuditorError
    from auditor.target.agreement import agreement
    from auditor.target.binding import bind_to

    shape = target.input_shape[1:] if target.input_shape else ()
    sizes = [size for size in shape if size is not None]
    if not shape or len(sizes) != len(shape):
        return {"gradients": f"{target.gradients}, not tried: the file does not say which shape it wants"}
    x = torch.rand(8, *sizes, generator=torch.Generator().manual_seed(0))
    # A network of channels last wants samples of channels first, as all data is read.
    x = x.movedim(-1, 1) if len(sizes) == 3 and sizes[-1] in (1, 3) and sizes[0] not in (1, 3) else x
    try:
        bind_to(target, x)
        facts: dict[str, object] = {
            "classes": target.num_classes,
            "answers": str(target.head),
            "batches": target.batching,
            "gradients": target.gradients,
        }
        if target.gradients == "twin":
            measured = agreement(target, x)
            word = "agrees" if measured.holds else "DISAGREES"
            share = measured.max_abs_diff / measured.scale
            facts["twin"] = f"{word} with ONNX Runtime on noise: {share:.1e} of the answers' range apart"
    except AuditorError as error:
        return {"problem": str(error)}
    return facts
