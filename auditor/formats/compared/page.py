"""`comparison.html`: a comparison as one self-contained page, with pictures of what flipped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from auditor.formats.compared import view
from auditor.formats.html.context import Picture
from auditor.formats.html.environment import render
from auditor.formats.html.pictures import drawn
from auditor.formats.views.pictures import choose
from auditor.result.comparison import matched
from auditor.result.record import INHERITED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from auditor.result.comparison import Comparison
    from auditor.result.run import Run

_MOST = 100
"""Samples that are named, of each model and threat; `comparison.json` holds them all."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Shares, or smallest changes."""

    caption: Annotated[str, "What its numbers are."]
    heads: Annotated[tuple[str, ...], "Names of the columns."]
    lines: Annotated[tuple[view.Line, ...], "A line for each model and threat."]


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Pictures of samples that flipped the same way."""

    title: Annotated[str, "Which samples of which model."]
    pictures: Annotated[tuple[Picture, ...], "At most twelve."]
    absent: Annotated[str, "Why there are none; empty where there are some."]


@dataclass(frozen=True, kw_only=True)
class Page:
    """The whole comparison."""

    title: Annotated[str, "Title of the document."]
    worse: Annotated[bool, "Whether anything got worse beyond chance, and by more than a point."]
    headline: Annotated[str, "What matters most."]
    before: Annotated[str, "Where the earlier run is."]
    after: Annotated[str, "Where the later run is."]
    doubts: Annotated[tuple[str, ...], "What else differs between the runs."]
    notes: Annotated[tuple[str, ...], "What else to know."]
    tables: Annotated[tuple[Table, ...], "The numbers."]
    galleries: Annotated[tuple[Gallery, ...], "What flipped, in pictures."]
    flips: Annotated[tuple[view.Flips, ...], "What flipped, by name; at most 100 of each."]


def html(before: Run, after: Run, comparison: Comparison, templates: tuple[str, ...] = ()) -> str:
    """Render `compared.html.j2`.

    Raises:
        PluginError: a package in `templates` cannot be found, or one of its templates is wrong.
    """
    page = Page(
        title=f"auditor: {view.verdict(comparison)}",
        worse=comparison.worse,
        headline=view.headline(comparison),
        before=str(before.path),
        after=str(after.path),
        doubts=comparison.doubts,
        notes=comparison.notes,
        tables=tuple(_tables(comparison, after)),
        galleries=tuple(_galleries(before, after, comparison)),
        flips=tuple(view.Flips(each.model, each.title, each.some(_MOST)) for each in view.flips(comparison, after)),
    )
    return render("compared.html.j2", page, templates)


def _tables(comparison: Comparison, after: Run) -> Iterator[Table]:
    shares = tuple(view.share_lines(comparison, after.result.settings))
    sizes = tuple(view.size_lines(comparison))
    if shares:
        yield Table(caption="Shares of the samples that both runs hold", heads=view.SHARE_HEADS, lines=shares)
    if sizes:
        yield Table(caption=view.SIZES, heads=view.SIZE_HEADS, lines=sizes)


def _galleries(before: Run, after: Run, comparison: Comparison) -> Iterator[Gallery]:
    """What is lost falls in the later run, what is gained fell in the earlier one: their evidence has the pictures."""
    for old, new in matched(before, after):
        for title, run, model, lost in (
            (f"{new.name}: what fools it now, and did not before", after, new, True),
            (f"{new.name}: what fooled it before, and does no more", before, old, False),
        ):
            rows = choose(view.fallen(comparison, new.name, lost=lost), skip=frozenset({INHERITED}))
            if rows:
                pictures, absent = drawn(run, model, rows)
                yield Gallery(title=title, pictures=pictures, absent=absent)
