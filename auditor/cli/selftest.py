"""`auditor selftest`: does an audit find what is known to be wrong, and does it leave in peace what is not?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.cli import options

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from auditor.selftest.case import Case
    from auditor.selftest.judging import Judged
    from auditor.selftest.running import Outcome


def selftest(
    cases: Annotated[list[str] | None, typer.Argument(metavar="[CASE]...", help="Only these cases.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every case, not only a quick selection.")] = False,
    jobs: Annotated[int | None, typer.Option(help="Cases at a time. [default: one a core]")] = None,
    out: Annotated[Path | None, typer.Option(help="Keep the runs and `selftest.json` in this folder.")] = None,
    without: options.Without = None,
    quiet: options.Quiet = False,
) -> None:
    """Audit models that are broken on purpose, and honest ones, and see whether the checks tell them apart.

    Run it after installing or writing a plugin. Exit code: 0 every failure was named and no honest model was doubted, 1
    otherwise.
    """
    import os
    import tempfile

    from rich.console import Console

    from auditor.errors import UsageError
    from auditor.selftest.bench import chosen
    from auditor.selftest.running import run_cases

    wanted = chosen(cases or [], everything=everything)
    if jobs is not None and jobs < 1:
        raise UsageError("--jobs takes a whole number from 1 on.")
    if out is not None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} exists already and is not empty. Choose another --out.")
    with tempfile.TemporaryDirectory() as folder:
        found = run_cases(wanted, out or Path(folder), jobs or os.cpu_count() or 1, without=tuple(without or ()))
        judged = _judged(wanted, found, quiet=quiet)
    order = {case.name: place for place, case in enumerate(wanted)}
    judged.sort(key=lambda one: order[one.case.name])
    if out is not None:
        _write(judged, out / "selftest.json")
    console = Console()
    if not quiet:
        console.print(_table(judged))
    bad = _conclude(judged, console)
    raise typer.Exit(1 if bad else 0)


def _judged(wanted: tuple[Case, ...], outcomes: Iterator[Outcome], *, quiet: bool) -> list[Judged]:
    from rich.console import Console
    from rich.progress import Progress

    from auditor.selftest.judging import judge

    known, found = {case.name: case for case in wanted}, []
    errors = Console(stderr=True)
    with Progress(console=errors, transient=True, disable=quiet or not errors.is_terminal) as bar:
        task = bar.add_task("cases", total=len(wanted))
        for outcome in outcomes:
            found.append(judge(known[outcome.case], outcome))
            bar.advance(task)
    return found


def _table(judged: list[Judged]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(
        "", "case", "what is wrong", "expected", "raised", "verdict", "robust", "truth", box=None, pad_edge=False
    )
    for one in judged:
        table.add_row(
            Text("ok", "green") if one.good else Text("NOT", "bold red"),
            one.case.name,
            one.case.wrong or "nothing",
            " or ".join(one.case.codes) or "at most info",
            one.said or "nothing",
            one.outcome.verdict,
            _share(one.outcome.reported),
            _share(one.truth),
        )
    return table


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _conclude(judged: list[Judged], console: Console) -> bool:
    """Print what it comes to, and what to do; whether anything is wrong."""
    broken, honest = [[one for one in judged if one.case.honest is kind] for kind in (False, True)]
    missed, doubted = [[one for one in group if not one.good] for group in (broken, honest)]
    flattered = [one for one in broken if one.flattered and one.outcome.verdict == "pass"]
    said = [f"{len(broken) - len(missed)} of {len(broken)} failures named"] if broken else []
    said += [f"{len(honest) - len(doubted)} of {len(honest)} honest models left in peace"] if honest else []
    console.print(f"\n{'; '.join(said)}.", highlight=False)
    for one in missed:
        console.print(f"not named: {one.case.name}, {one.case.wrong}", markup=False, soft_wrap=True, highlight=False)
    for one in doubted:
        why = "; ".join(one.outcome.detail) or "robust accuracy is not the one computed"
        console.print(f"doubted: {one.case.name}: {why}", markup=False, soft_wrap=True, highlight=False)
    for one in flattered:
        console.print(
            f"called more robust than it is, and passed: {one.case.name}", markup=False, soft_wrap=True, highlight=False
        )
    if missed or doubted:
        console.print(
            "AUDITOR_NO_PLUGINS=1 or --without PLUGIN shows whether an installed plugin is the cause; "
            "`auditor selftest CASE --out DIR` keeps the run.",
            soft_wrap=True,
            highlight=False,
        )
    return bool(missed or doubted)


def _write(judged: list[Judged], path: Path) -> None:
    import json
    from dataclasses import asdict

    from auditor.result.evidence import atomic_write

    rows = [
        {**asdict(one.outcome), "wrong": one.case.wrong, "codes": one.case.codes, "truth": one.truth, "good": one.good}
        for one in judged
    ]
    atomic_write(path, json.dumps(rows, indent=1).encode())
