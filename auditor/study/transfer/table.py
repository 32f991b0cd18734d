"""A study for the terminal: tables in the paper's form, with the paper's figures below ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from auditor.study.transfer.reading import above, share, size
from auditor.study.transfer.record import Figure

if TYPE_CHECKING:
    from auditor.study.transfer.record import Experiment, Travel

_CELL = 8
"""Letters of the widest cell, the paper's `(100.0%)`."""


def networks(experiment: Experiment) -> Table:
    """The networks of an experiment: errors and smallest changes."""
    table = Table("network", "trained on", title=f"{experiment.title}: the networks", title_justify="left", box=None)
    for head in ("training error", "test error", "smallest change"):
        table.add_column(head, justify="right")
    for network in experiment.networks:
        figures = (share(network.train_error), share(network.test_error), size(network.distortion))
        table.add_row(Text(network.name), network.data, *map(_stacked, figures))
    return table


def travel(experiment: Experiment, made: Travel, confidence: float) -> Table:
    """Rows made on, columns tried on, and the size of the changes; narrow enough for six networks in 80 columns."""
    title = f"{experiment.title}: {made.title[:1].lower()}{made.title[1:]}, tried on each other"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("made on", no_wrap=True)
    for target in made.matrix.targets:
        table.add_column(Text(target), justify="right", overflow="fold", min_width=_CELL)
    table.add_column("size", justify="right", no_wrap=True)
    for source in made.distortions:
        cells = list(_cells(made, source, above(made, confidence)))
        table.add_row(Text(source), *map(_stacked, cells), _stacked(size(made.distortions[source])))
    if made is experiment.travels[0]:
        for noise in experiment.noise:
            rates = [_narrow(noise.rates.get(target)) for target in made.matrix.targets]
            table.add_row(f"noise {noise.deviation:g}", *map(_stacked, rates), _stacked(size(noise.size)))
    return table


def _cells(made: Travel, source: str, sure: frozenset[tuple[str, str]]) -> Iterator[tuple[str, str, str]]:
    for cell in (cell for cell in made.matrix.cells if cell.source == source):
        if cell.rate is None or cell.interval is None:
            yield "–", "", ""
            continue
        known = made.paper.get(source, {}).get(cell.target)
        mark = "" if cell.source == cell.target or (cell.source, cell.target) in sure else "≈ "
        value, interval, told = _narrow(Figure(value=cell.rate, interval=cell.interval, paper=known))
        yield f"{mark}{value}", interval, told


def _narrow(rate: Figure | None) -> tuple[str, str, str]:
    if rate is None:
        return "–", "", ""
    low, high = (100 * end for end in rate.interval)
    value, _, known = share(rate)
    return value, f"{low:.0f}–{high:.0f}%", known


def _stacked(figure: tuple[str, str, str]) -> Text:
    value, interval, paper = figure
    return Text.assemble((value, "bold"), f"\n{interval}", (f"\n({paper})" if paper else "", "dim"))
