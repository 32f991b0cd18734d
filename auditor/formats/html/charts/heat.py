"""A heat map of success rates: sources down, targets across, in every cell the rate between its floor and ceiling."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from auditor.formats import words
from auditor.result.transfer import TransferCell

_LEVELS = 5
_ROW, _MARGIN = 52, 10
_LETTER, _MOST = 7.4, 22
"""Room for a letter of a name, in pixels, and letters; of longer names the middle is left out."""
_NARROW, _WIDE, _FEW = 58, 104, 7
"""Widths of cells; up to so many columns are wide, with names that are read from left to right."""


@dataclass(frozen=True, kw_only=True)
class HeatLabel:
    """The name of a row or a column."""

    text: Annotated[str, "The name, shortened where it is long."]
    x: Annotated[float, "Where it is anchored, in pixels."]
    y: Annotated[float, "Where it is anchored, in pixels."]


@dataclass(frozen=True, kw_only=True)
class HeatCell:
    """One rate. Its scale runs from 0 to 100% through the lower part of the cell."""

    x: Annotated[float, "Left edge, in pixels."]
    y: Annotated[float, "Upper edge, in pixels."]
    level: Annotated[int, "0 to 5: how dark it is."]
    text: Annotated[str, "The rate; `≈` before it where it cannot be told apart from noise."]
    own: Annotated[bool, "Whether the examples were made on the target."]
    at: Annotated[float | None, "The rate on the scale, in pixels; None where it was not measured."]
    low: Annotated[float, "Lower end of its interval on the scale."]
    high: Annotated[float, "Upper end of its interval on the scale."]
    floor: Annotated[float | None, "What noise of the same size does, on the scale; None where that is not known."]
    ceiling: Annotated[
        float | None, "What the attack does when it is made on the target; None where that is not known."
    ]


@dataclass(frozen=True, kw_only=True)
class HeatMap:
    """All cells of one matrix."""

    title: Annotated[str, "What the chart shows, in a line."]
    description: Annotated[str, "The same as sentences, for people who hear the page."]
    width: Annotated[int, "In pixels."]
    height: Annotated[int, "In pixels."]
    cell_width: Annotated[int, "In pixels."]
    cell_height: Annotated[int, "In pixels."]
    upright: Annotated[bool, "Whether the columns' names are turned to fit."]
    columns: Annotated[tuple[HeatLabel, ...], "From left to right."]
    rows: Annotated[tuple[HeatLabel, ...], "From top to bottom."]
    cells: Annotated[tuple[HeatCell, ...], "Row by row."]


def heat_map(
    title: str,
    cells: Mapping[tuple[str, str], TransferCell],
    sources: Mapping[str, Collection[str]],
    targets: Sequence[str],
    above: Collection[tuple[str, str]],
) -> HeatMap:
    """The chart of `cells`, by source and target; `sources` are the rows with their members, `above` what lies above
    noise for certain."""
    upright = len(targets) > _FEW
    wide = _NARROW if upright else _WIDE
    across, down = _labels(tuple(dict.fromkeys([*targets, *sources])), _MOST if upright else int(wide / _LETTER), _MOST)
    columns, lines = [across[name] for name in targets], [down[name] for name in sources]
    left = _room(lines)
    top = _room(columns) if upright else 26
    made = [
        _cell(cells.get((source, target)), wide, left + wide * i, top + _ROW * j, target in members, above)
        for j, (source, members) in enumerate(sources.items())
        for i, target in enumerate(targets)
    ]
    measured = [
        cell.rate
        for (source, target), cell in cells.items()
        if source in sources and cell.rate is not None and target not in sources[source]
    ]
    spread = (
        f" Between models they run from {words.percent(min(measured))} to {words.percent(max(measured))}."
        if measured
        else ""
    )
    return HeatMap(
        title=title,
        description=f"{title}. Rows are what examples were made on, columns what they were tried on.{spread} The table "
        "below holds every number.",
        width=left + wide * len(targets) + 2,
        height=top + _ROW * len(sources) + 2,
        cell_width=wide,
        cell_height=_ROW,
        upright=upright,
        columns=tuple(
            HeatLabel(text=name, x=left + wide * (i + 0.5) + (4 if upright else 0), y=top - 9)
            for i, name in enumerate(columns)
        ),
        rows=tuple(HeatLabel(text=name, x=left - 10, y=top + _ROW * (j + 0.5) + 4) for j, name in enumerate(lines)),
        cells=tuple(made),
    )


def _labels(names: Sequence[str], *most: int) -> list[dict[str, str]]:
    """Names within each of `most` letters; all of them numbered where two would look the same."""
    if all(len({words.short(name, room) for name in names}) == len(names) for room in most):
        return [{name: words.short(name, room) for name in names} for room in most]
    return [{name: f"{i} {words.short(name, room - 3)}" for i, name in enumerate(names, 1)} for room in most]


def _room(names: Sequence[str]) -> int:
    return int(_LETTER * max(map(len, names), default=0)) + 24


def _cell(
    cell: TransferCell | None, wide: int, x: float, y: float, own: bool, above: Collection[tuple[str, str]]
) -> HeatCell:
    def on_scale(count: float) -> float:
        return x + _MARGIN + (wide - 2 * _MARGIN) * count

    if cell is None or cell.rate is None or not cell.among:
        return HeatCell(x=x, y=y, level=0, text="–", own=own, at=None, low=x, high=x, floor=None, ceiling=None)
    low, high = cell.interval or (cell.rate, cell.rate)
    plain = words.percent(cell.rate, 0)
    sure = own or cell.noise is None or (cell.source, cell.target) in above
    return HeatCell(
        x=x,
        y=y,
        level=min(_LEVELS, int(cell.rate * (_LEVELS + 1))),
        text=plain if sure else f"≈ {plain}",
        own=own,
        at=on_scale(cell.rate),
        low=on_scale(low),
        high=on_scale(high),
        floor=None if cell.noise is None else on_scale(cell.noise / cell.among),
        ceiling=None if cell.direct is None else on_scale(cell.direct / cell.among),
    )
