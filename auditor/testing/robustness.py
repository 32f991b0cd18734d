"""`assert_robust`: an audit as one line of a test."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeAlias

from auditor.hookspecs import hookimpl

if TYPE_CHECKING:
    import torch
    from torch import nn

    from auditor.plugins import Plugins
    from auditor.result.record import Result
    from auditor.settings import Settings
    from auditor.target.base import ModelOptions, Target

Samples: TypeAlias = "str | Path | tuple[Any, Any]"
"""A source as `--data` takes it, or samples `(N, …)` in `[0, 1]` and labels `(N,)`, as tensors or arrays."""

FOLDER = "auditor-runs"


def assert_robust(
    model: str | Path | nn.Module,
    samples: Samples,
    /,
    *,
    eps: float | str,
    at_least: float,
    norm: str = "linf",
    suite: str = "quick",
    report: str | Path | None = None,
    **settings: Any,
) -> Result:
    """Pass only where the model's robust accuracy is shown to be high enough, at the confidence asked for.

    Args:
        model: a model file or a name as `auditor scan` takes it, or a `torch.nn.Module`, which is left as it is.
        samples: a source as `--data` takes it, or `(x, y)`.
        eps: the budget, such as `"8/255"`.  norm: what it is measured in.
        at_least: the robust accuracy required, a share from 0 to 1.
        suite: `quick`, `standard` or `thorough`.
        report: folder that keeps the run if it does not pass; by default one in `auditor-runs`. An older report there
            is replaced. Nothing is kept of a run that passes.
        settings: further settings of `auditor scan`, such as `samples=200` for so many of them, `mean="0.5"`.

    Returns:
        The record of the run.

    Raises:
        AssertionError: robust accuracy is below what is required, or too few samples or doubtful attacks leave it open,
            or the model cannot be audited. Says why, what was measured, and where the report is.
        AuditorError: settings or samples make no sense.
    """
    from auditor.engine.audit import Audit

    out = _folder(report, model)
    with TemporaryDirectory() as scratch:
        flags, given = _given(model, samples, Path(scratch))
        flags |= {"norm": norm, "eps": str(eps), "suite": suite, "min_robust_accuracy": at_least, **settings}
        made = _settings(flags)
        plugins = _plugins(made, given)
        result = Audit(made, plugins, out).execute()
    if result.verdict == "pass":
        shutil.rmtree(out)
        return result
    raise AssertionError(_said(result, _report(out, plugins)))


def _settings(flags: dict[str, Any]) -> Settings:
    from auditor.configuration import build_settings

    return build_settings(flags, {})


def _folder(report: str | Path | None, model: object) -> Path:
    """Where the run goes. A report that is there already gives way; anything else does not."""
    from auditor.writing import default_folder

    if report is None:
        return default_folder(str(model) if isinstance(model, str | Path) else type(model).__name__)
    out = Path(report)
    if (out / "state" / "manifest.sqlite").is_file():
        shutil.rmtree(out)
    return out


def _given(model: str | Path | nn.Module, samples: Samples, scratch: Path) -> tuple[dict[str, Any], _InMemory | None]:
    """What names model and samples for a scan, and what knows a model that is no file."""
    flags, given = {"models": [str(model)], "data": str(samples)}, None
    if not isinstance(model, str | Path):
        given = _InMemory(model)
        flags |= {"models": [given.name], "device": given.device}
    if isinstance(samples, tuple):
        flags["data"] = str(_written(samples, scratch / "samples.npz"))
    return flags, given


def _plugins(settings: Settings, given: _InMemory | None) -> Plugins:
    """The plugins of the audit, and the one that knows the model."""
    from auditor._version import __version__
    from auditor.entry_points import Plugin
    from auditor.plugins import plugins_for

    plugins = plugins_for(settings)
    if given is not None:
        plugins.register(given, Plugin("in memory", "auditor", __version__))
    return plugins


def _written(samples: tuple[Any, Any], path: Path) -> Path:
    import numpy as np

    x, y = (part.detach().cpu().numpy() if hasattr(part, "detach") else np.asarray(part) for part in samples)
    np.savez(path, x=x, y=y)
    return path


class _InMemory:
    """A plugin that answers a name with the module that it was given."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.name = f"<{type(module).__name__}>"
        first = next(module.parameters(), None)
        self.device = "cpu" if first is None else str(first.device)

    @hookimpl
    def auditor_load_model(self, path: str, options: ModelOptions, device: torch.device) -> Target | None:
        from auditor.loaders.torch_models import from_module

        return from_module(self.module, type(self.module).__name__, options, device) if path == self.name else None


def _report(out: Path, plugins: Plugins) -> Path:
    from auditor.result.run import Run
    from auditor.writing import write_report

    return write_report("html", Run(out), plugins)


def _said(result: Result, report: Path) -> str:
    """The verdict with its reason, the numbers behind it, and where to look."""
    from auditor.formats import words
    from auditor.formats.views.numbers import clean_text, interval_text, robust_text

    lines = [f"{result.verdict}: {result.summary}"]
    for model in result.models:
        lines.append(f"  clean accuracy {clean_text(model)} {words.interval(model.clean_interval)}")
        for threat in model.threats:
            under = words.threat(threat.norm, threat.eps, result.settings)
            lines.append(f"  under {under} {robust_text(threat)} {interval_text(threat)}")
    return "\n".join([*(line.rstrip() for line in lines), f"  report: {report}"])
