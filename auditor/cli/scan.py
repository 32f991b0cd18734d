"""`auditor scan`: audit model files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from auditor.cli import options
from auditor.writing import check_formats, default_folder, write_report

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from auditor.events import Event
    from auditor.plugins import Plugins
    from auditor.result.record import Result
    from auditor.result.run import Run
    from auditor.settings import Settings
    from auditor.sources import ConfigFile


def scan(
    ctx: typer.Context,
    models: Annotated[
        list[str] | None, typer.Argument(metavar="MODEL...", help="Model files, or names such as package.module:fn.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Labelled samples: folder of class folders, .npz, .csv, .parquet, torchvision:NAME:FOLDER."),
    ] = None,
    norm: Annotated[
        list[str] | None,
        typer.Option(help="linf, l2, l1, l0, spatial, flow, patch, corruption; several with commas. [default: linf]"),
    ] = None,
    eps: Annotated[
        list[str] | None,
        typer.Option(help="Budgets in [0, 1] pixels, e.g. 2/255,8/255 or l2:0.5; l0: entries; corruption: severity."),
    ] = None,
    goal: Annotated[
        str | None,
        typer.Option(help="untargeted (or dodge), targeted:least-likely, targeted:CLASS (or impersonate:CLASS)."),
    ] = None,
    mask: Annotated[
        str | None, typer.Option(help="Picture in the samples' size; only its white pixels may change.")
    ] = None,
    rotation: Annotated[
        str | None, typer.Option(metavar="DEGREES", help="Limit of --norm spatial, in degrees. [default: 30]")
    ] = None,
    translation: Annotated[
        str | None, typer.Option(metavar="PIXELS", help="Limit of --norm spatial, in pixels. [default: 3]")
    ] = None,
    corruptions: Annotated[
        str | None,
        typer.Option(
            help="Of --norm corruption: common, extra, noise, blur, weather, digital, colour, all, or names; commas."
        ),
    ] = None,
    eot: Annotated[
        str | None,
        typer.Option(
            metavar="N", help="Average questions over so many answers. [default: 20 if answers are random, else 1]"
        ),
    ] = None,
    bpda: Annotated[
        bool, typer.Option("--bpda", help="Let gradients past rounding and signs in the model. [default: off]")
    ] = False,
    abstain: Annotated[
        str | None, typer.Option(metavar="CLASS", help="The class, by number or name, that is a refusal to answer.")
    ] = None,
    suite: Annotated[str | None, typer.Option(help="quick, standard or thorough. [default: standard]")] = None,
    attack: Annotated[
        list[str] | None, typer.Option(help="NAME[:key=value,...] instead of the suite; repeatable.")
    ] = None,
    wrapper: Annotated[
        list[str] | None,
        typer.Option(help="NAME[:key=value,...] that samples pass on their way into the model; repeatable, in order."),
    ] = None,
    hardened_with: Annotated[
        str | None,
        typer.Option(help="NAME[:key=value,...] that the model was hardened with: it alone proves nothing."),
    ] = None,
    surrogate: options.Surrogate = None,
    samples: Annotated[
        str | None, typer.Option(metavar="N", help="Audit so many samples, drawn class by class.")
    ] = None,
    seed: Annotated[str | None, typer.Option(metavar="N", help="Seed of everything random. [default: 0]")] = None,
    batch_size: Annotated[
        str | None, typer.Option(metavar="N", help="Samples in a batch, or auto. [default: auto]")
    ] = None,
    device: options.Device = None,
    precision: Annotated[
        str | None,
        typer.Option(help="What attacks search in: float32, bfloat16, or auto, which measures. [default: auto]"),
    ] = None,
    time_limit: Annotated[str | None, typer.Option(help="Stop attacking after, e.g., 90s, 10m, 1h30m.")] = None,
    max_passes: Annotated[
        str | None,
        typer.Option(metavar="N", help="Spend at most so many passes, forward and backward, per sample and budget."),
    ] = None,
    tolerance: Annotated[
        str | None,
        typer.Option(help="Stop a suite when twice its passes would break at most this share more. [default: 0.2%]"),
    ] = None,
    escalation: Annotated[
        bool | None,
        typer.Option("--escalation/--no-escalation", help="Settle doubts by further attacks. [default: on]"),
    ] = None,
    transfer: options.Transfer = None,
    transfer_attack: options.TransferAttack = None,
    ensemble: options.Ensemble = False,
    mean: options.Mean = None,
    std: options.Std = None,
    input_range: options.InputRange = None,
    layout: options.Layout = None,
    channel_order: options.ChannelOrder = None,
    input_size: options.InputSize = None,
    classes: options.Classes = None,
    root: Annotated[str | None, typer.Option(help="Folder that relative paths in a CSV start from.")] = None,
    weights: options.Weights = None,
    input: options.Input = None,
    constant: options.Constant = None,
    output: options.Output = None,
    provider: options.Provider = None,
    trust: options.Trust = False,
    min_robust_accuracy: Annotated[str | None, typer.Option(help="Gate: at least this share, e.g. 0.4.")] = None,
    min_clean_accuracy: Annotated[str | None, typer.Option(help="Gate: at least this clean accuracy.")] = None,
    expected_clean_accuracy: Annotated[
        str | None, typer.Option(help="What you know the clean accuracy to be; a difference stops the audit.")
    ] = None,
    baseline: Annotated[Path | None, typer.Option(help="An earlier run to compare with, sample by sample.")] = None,
    max_drop: Annotated[str | None, typer.Option(help="Gate: robust accuracy falls by at most this share.")] = None,
    confidence: Annotated[
        str | None, typer.Option(metavar="SHARE", help="Confidence of intervals and gates. [default: 0.95]")
    ] = None,
    sequential: Annotated[
        bool,
        typer.Option(
            "--sequential", help="Audit samples in random order until --min-robust-accuracy is decided. [default: off]"
        ),
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Run directory. [default: auditor-runs/MODEL-TIME]")] = None,
    formats: options.Formats = None,
    config: options.Config = None,
    audit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", envvar="AUDITOR_AUDIT", help="Of the file's audits, this one; repeatable. [default: all]"
        ),
    ] = None,
    track: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Log the run to mlflow, dvc or a plugin; repeatable.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out.")] = False,
    without: options.Without = None,
    isolate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Run a plugin in a process of its own, or all that are not ours; repeatable."
        ),
    ] = None,
    isolate_time: Annotated[
        str | None, typer.Option(help="What an isolated plugin may take for one piece of work. [default: 10m]")
    ] = None,
    isolate_memory: Annotated[
        str | None, typer.Option(metavar="GIB", help="Memory that its process may take, on Linux. [default: 4]")
    ] = None,
    quiet: options.Quiet = False,
) -> None:
    """Measure how accurate models are when somebody tries to fool them.

    Exit code: 0 pass, 1 a gate failed, 2 usage, 3 inconclusive, 4 the model or the data could not be audited.
    """
    from rich.console import Console

    from auditor.gate import worst
    from auditor.sources import ConfigFile

    # Every parameter that is not about where the result goes is a setting of the same name.
    outside = ("out", "formats", "config", "audit", "track", "resume", "quiet")
    flags = {name: value for name, value in ctx.params.items() if name not in outside}
    file = ConfigFile.read(config)
    names = file.chosen(audit or (), models=bool(models))
    # All of them are understood before the first one begins.
    # Several go side by side; a single one is where --out says.
    places = [out / name if out and len(names) > 1 else out for name in names]
    jobs = [_job(flags, file, *each, formats, track or ()) for each in zip(names, places, strict=True)]
    codes = []
    for name, job in zip(names, jobs, strict=True):
        if name:
            Console().print(f"audit {name}", style="bold", highlight=False, markup=False)
        silent = quiet or job.quiet
        done = run(job.settings, job.plugins, job.out, job.formats, resume=resume, quiet=silent, track=job.track)
        codes.append(done.exit_code)
    raise typer.Exit(worst(codes))


@dataclass(frozen=True)
class _Job:
    """An audit to make, and where its result goes."""

    settings: Settings
    plugins: Plugins
    out: Path
    formats: tuple[str, ...]
    quiet: bool
    track: tuple[str, ...]


def _job(
    flags: dict[str, Any], file: ConfigFile, name: str, out: Path | None, formats: str | None, track: Sequence[str]
) -> _Job:
    """The audit that the file calls `name`, under flags. Raises UsageError."""
    from rich.console import Console

    from auditor.configuration import build_settings
    from auditor.plugins import plugins_for
    from auditor.sources import OUTPUTS
    from auditor.tracking import check_trackers

    told = {key: said.value for key, said in file.said(name).items()}
    # These decide where the result goes, not what it is, so they are no part of the settings.
    listed, where, quiet, trackers = (told.pop(key, None) for key in OUTPUTS)
    written = (",".join(map(str, listed)) if isinstance(listed, list) else listed) or "html"
    settings = build_settings(flags, told)
    plugins = plugins_for(settings)
    for failure in plugins.failures:
        Console(stderr=True).print(f"auditor: without {failure}.", soft_wrap=True, highlight=False, markup=False)
    wanted = check_formats(str(written if formats is None else formats), plugins)
    place = out or (Path(str(where)) / name if where else default_folder(name or settings.models[0]))
    named = [trackers] if isinstance(trackers, str) else trackers or ()
    return _Job(settings, plugins, place, wanted, bool(quiet), check_trackers(track or named, plugins))


def _stopped(out: Path) -> str:
    """What Ctrl-C leaves, and how to go on."""
    from auditor.engine.store import MANIFEST

    if (out / MANIFEST).is_file():
        return f"stopped. What is done is safe; continue with the same flags, --out {out} and --resume."
    return "stopped before anything was done; nothing is left to continue."


def run(
    settings: Settings,
    plugins: Plugins,
    out: Path,
    formats: tuple[str, ...],
    *,
    resume: bool,
    quiet: bool,
    track: tuple[str, ...] = (),
) -> Result:
    """Audit with progress, write the reports, tell whoever tracks runs, print the result."""
    from rich.console import Console

    from auditor.cli.progress import progress
    from auditor.engine.audit import Audit
    from auditor.errors import Stopped
    from auditor.result.run import Run

    errors, output = Console(stderr=True), Console()
    try:
        with progress(errors, quiet=quiet) as listen:
            audit = Audit(settings, plugins, out, resume=resume)

            def tell(event: Event) -> None:
                listen(event)
                plugins.notify(event)

            audit.listen = tell
            result = audit.execute()
    except KeyboardInterrupt:
        raise Stopped(_stopped(out)) from None
    finished = Run(out)
    for trouble in _reported(finished, plugins, formats, track):
        errors.print(f"auditor: {trouble}", highlight=False, markup=False, soft_wrap=True)
    if quiet:
        output.print(f"{result.verdict}: {result.summary}", soft_wrap=True, highlight=False, markup=False)
    else:
        from auditor.formats.terminal import render_terminal

        render_terminal(finished, output)
    return result


def _reported(finished: Run, plugins: Plugins, formats: tuple[str, ...], track: tuple[str, ...]) -> Iterator[str]:
    """Write the reports and tell whoever tracks runs; what went wrong, a sentence each.

    The audit is done and stands, whatever becomes of a report: no format or tracker changes the exit code.
    """
    from auditor.cli.job_summary import add_to_job_summary
    from auditor.errors import AuditorError
    from auditor.events import ReportsWritten

    files = [finished.path / "result.json", finished.path / "samples.csv"]
    for name in formats:
        try:
            path = write_report(name, finished, plugins)
            files += [path] if path not in files else []
            if name == "markdown":
                add_to_job_summary(path)
        except AuditorError as error:
            yield str(error)
    known = len(plugins.failures)
    plugins.notify(ReportsWritten(result=finished.result, run=finished.path, files=tuple(files), track=track))
    yield from (f"{failure.plugin}: {failure.error}" for failure in plugins.failures[known:])
