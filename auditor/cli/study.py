"""`auditor study`: experiments on a data set, rather than audits of a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.cli import options

if TYPE_CHECKING:
    from rich.console import Console

    from auditor.plugins import Plugins
    from auditor.study.sample_size.record import SizeStudy
    from auditor.study.transfer.record import Study
    from auditor.study.transfer.running import Data, Running

app = typer.Typer(
    help="Experiments on a data set.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command("transfer")
def transfer(
    data: Annotated[str | None, typer.Option(help="Labelled samples. [default: the demo's 500 digits]")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder. [default: auditor-runs/study-transfer-TIME]")] = None,
    samples: Annotated[int, typer.Option(help="Use at most so many samples. [default: 6000]")] = 6000,
    attacked: Annotated[int, typer.Option(help="Attack at most so many on each network. [default: 200]")] = 200,
    input_size: options.InputSize = None,
    seed: Annotated[int, typer.Option(help="Decides the split, the training and the noise. [default: 0]")] = 0,
    quiet: options.Quiet = False,
) -> None:
    """How examples travel between networks that differ in architecture, training data or depth.

    Trains the small networks of Szegedy et al. (arXiv:1312.6199) on two thirds of the data, looks for the smallest
    changes that fool each on the rest, and tries these on the others, beside noise of the same size and the paper's
    figures. Writes study.json and study.html.
    """
    from rich.console import Console

    from auditor.plugins import load_plugins
    from auditor.study.transfer.running import Running

    where, plugins = _folder(out, "study-transfer"), load_plugins()
    split = _data(plugins, data, samples, attacked, input_size, seed)
    study = _watched(Running(split, plugins.attacks()["lbfgs"], seed=seed), Console(stderr=True), quiet=quiet)
    _write(study, where)
    _show(study, where, quiet=quiet)


@app.command("sample-size")
def sample_size(
    data: Annotated[str | None, typer.Option(help="Labelled samples. [default: the demo's 500 digits]")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder. [default: auditor-runs/study-sample-size-TIME]")] = None,
    eps: Annotated[str, typer.Option(help="linf budget to train for, in [0, 1] pixels. [default: 0.1]")] = "0.1",
    samples: Annotated[int, typer.Option(help="Use at most so many samples. [default: 6000]")] = 6000,
    attacked: Annotated[int, typer.Option(help="Attack at most so many of each side. [default: 500]")] = 500,
    updates: Annotated[int, typer.Option(help="Updates of each network. [default: 200]")] = 200,
    input_size: options.InputSize = None,
    seed: Annotated[int, typer.Option(help="Decides the split, the training and the attack. [default: 0]")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the study in --out was interrupted.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """How robust accuracy in training and in testing depends on the number of training samples.

    Trains a small network adversarially on a sixteenth, an eighth, … of two thirds of the data, with equally many
    updates each, and attacks it on samples that it was trained on and on held-out ones (Schmidt et al.,
    arXiv:1804.11285). Writes study.json after each.
    """
    from rich.console import Console
    from rich.progress import Progress

    from auditor.configuration import parse_eps
    from auditor.errors import UsageError
    from auditor.harden.settings import parse_recipe
    from auditor.plugins import load_plugins
    from auditor.study.sample_size.running import SizeRunning
    from auditor.types import Norm, Threat

    if updates < 1:
        raise UsageError("--updates takes a whole number from 1 on.")
    if resume and out is None:
        raise UsageError("--resume needs the folder: --out.")
    where, plugins = _folder(out, "study-sample-size", resume=resume), load_plugins()
    running = SizeRunning(
        _data(plugins, data, samples, attacked, input_size, seed),
        parse_recipe("pgd:steps=7,step_size=0.36", plugins.defenses())[0],
        Threat(norm=Norm.LINF, eps=parse_eps(eps, Norm.LINF)),
        updates,
        seed,
    )
    errors = Console(stderr=True)
    with Progress(console=errors, transient=True, disable=quiet or not errors.is_terminal) as bar:
        task = bar.add_task("updates", total=updates * len(running.asked.sizes))
        running.on_step = lambda more: bar.advance(task, more)
        study = running.execute(where, resume=resume)
    _show_sizes(study, where, quiet=quiet)


def _show_sizes(study: SizeStudy, where: Path, *, quiet: bool) -> None:
    from rich.console import Console

    from auditor.study.sample_size import reading
    from auditor.study.sample_size.running import FILE

    console = Console()
    if not quiet:
        console.print(reading.table(study))
        for sentence in reading.sentences(study):
            console.print(f"- {sentence}", markup=False, highlight=False)
    console.print(str(where / FILE), soft_wrap=True, markup=False, highlight=False)


def _folder(out: Path | None, name: str, *, resume: bool = False) -> Path:
    from auditor.errors import RunError
    from auditor.writing import default_folder

    where = out or default_folder(name)
    if not resume and where.exists() and (not where.is_dir() or any(where.iterdir())):
        raise RunError(f"{where} exists already and is not empty. Choose another --out.")
    return where


def _data(plugins: Plugins, source: str | None, samples: int, attacked: int, input_size: str | None, seed: int) -> Data:
    """The samples of a study, split; the demo's where none are named."""
    from importlib.resources import as_file, files

    from auditor.errors import UsageError
    from auditor.samples.base import SampleOptions
    from auditor.study.transfer.running import Data
    from auditor.values import parse_size

    if attacked < 1:
        raise UsageError("--attacked takes a whole number from 1 on.")
    asked = SampleOptions(limit=samples, seed=seed, split="train", size=parse_size(input_size) if input_size else None)
    with as_file(files("auditor.demo")) as demo:
        return Data.split(plugins.load_samples(source or str(demo / "digits.npz"), asked), attacked, seed)


def _watched(running: Running, console: Console, *, quiet: bool) -> Study:
    """Run it, with its cost said before and a bar where there is a terminal."""
    from rich.progress import Progress

    from auditor.formats import words

    if not quiet:
        console.print(
            f"{words.count(running.networks, 'network')} to train and to attack: about "
            f"{words.seconds(running.forecast())} here. Ctrl-C stops it; nothing is written before the end.",
            highlight=False,
        )
    with Progress(console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("networks", total=running.total)
        running.on_network = lambda name: bar.update(task, description=name)
        running.on_step = lambda: bar.advance(task)
        return running.execute()


def _write(study: Study, where: Path) -> None:
    from auditor.result.evidence import atomic_write
    from auditor.study.transfer.page import html

    atomic_write(where / "study.html", html(study).encode())
    atomic_write(where / "study.json", study.to_json().encode())


def _show(study: Study, where: Path, *, quiet: bool) -> None:
    from rich.console import Console

    from auditor.formats.views.transfer.reading import RISK
    from auditor.study.transfer import reading, table

    console = Console()

    def say(text: str) -> None:
        console.print(text, soft_wrap=False, markup=False, highlight=False)

    if not quiet:
        for fact in reading.facts(study):
            say(fact)
        for experiment in study.experiments:
            console.print("\n", table.networks(experiment), "\n", sep="")
            for travel in experiment.travels:
                console.print(table.travel(experiment, travel, study.confidence), "\n", sep="")
            for sentence in reading.sentences(experiment, study.confidence):
                say(f"- {sentence}")
        say(f"\nIn brackets: the paper. ≈ cannot be told apart from noise of the same size. {reading.BESIDE}")
        say(RISK)
    say(f"{where / 'study.html'}")
