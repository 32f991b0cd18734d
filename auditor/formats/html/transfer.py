"""The context of transfer between models."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from auditor.formats import words
from auditor.formats.html import transfer_parts as parts
from auditor.formats.html.charts.heat import heat_map
from auditor.formats.html.travelled import travelled
from auditor.formats.views.transfer.order import above_noise, ordered, rows
from auditor.formats.views.transfer.reading import RISK, agreement_text, read

if TYPE_CHECKING:
    from auditor.result.run import Run
    from auditor.result.transfer import TransferCell, TransferMatrix, TransferSource

_GROUPS = "worst group"


def transfer_context(run: Run, confidence: float) -> parts.Transfer | None:
    """The section on transfer; None where none was measured."""
    record = run.result.transfer
    if record is None or not record.matrices:
        return None
    order = ordered(record)
    strongest: dict[str, TransferMatrix] = {}
    for matrix in record.matrices:
        if matrix.norm not in strongest or _strength(matrix) > _strength(strongest[matrix.norm]):
            strongest[matrix.norm] = matrix
    made = [
        _matrix(run, matrix, f"transfer-{i}", order, confidence, main=matrix in strongest.values())
        for i, matrix in enumerate(record.matrices, 1)
    ]
    return parts.Transfer(
        risk=RISK,
        agreement=agreement_text(record, confidence),
        # What is shown in full comes first.
        matrices=tuple(sorted(made, key=lambda each: not each.main)),
        seconds=words.seconds(record.seconds) if record.seconds else "",
    )


def _strength(matrix: TransferMatrix) -> float:
    """How much travels, on the mean over all cells between models."""
    rates = [above_noise(cell) for cell in matrix.cells if cell.source != cell.target]
    return fmean([rate for rate in rates if rate is not None] or [0.0])


def _matrix(
    run: Run, matrix: TransferMatrix, anchor: str, order: tuple[str, ...], confidence: float, *, main: bool
) -> parts.TransferMatrix:
    reading = read(matrix, confidence, run.result.settings, run.result.data.classes)
    pictures, no_pictures = travelled(run, matrix) if main else ((), "")
    cells = {(cell.source, cell.target): cell for cell in matrix.cells}
    members = {source.name: source.members for source in matrix.sources}
    sources = {name: members[name] for name in rows(matrix, order)}
    targets = tuple(name for name in order if name in matrix.targets)
    # Groups are made for one target each: together they are one row, of what is worst for each.
    drawn = {name: of for name, of in sources.items() if len(of) == 1} | ({_GROUPS: ()} if reading.groups else {})
    worst_cells = {(_GROUPS, worst.target): cells[worst.source, worst.target] for worst in reading.groups}
    heading = f"How often {reading.title} fools each model"
    chart = heat_map(heading, cells | worst_cells, drawn, targets, reading.above)
    return parts.TransferMatrix(
        anchor=anchor,
        title=reading.title,
        main=main,
        sentences=reading.sentences,
        masked=reading.masked,
        chart=chart,
        pictures=pictures,
        no_pictures=no_pictures,
        groups=tuple(
            parts.TransferGroup(
                target=worst.target,
                source=worst.source,
                rate=words.percent(worst.rate),
                interval=words.interval(worst.interval),
                said=worst.said,
            )
            for worst in reading.groups
        ),
        cells=tuple(_line(cells[source, to]) for source in sources for to in targets if (source, to) in cells),
        sources=tuple(_source(source) for source in matrix.sources),
        parameters=tuple((key, str(value)) for key, value in matrix.parameters.items()),
    )


def _line(cell: TransferCell) -> parts.TransferLine:
    return parts.TransferLine(
        source=cell.source,
        target=cell.target,
        rate=words.NOT_EVALUATED if cell.rate is None else words.percent(cell.rate),
        fooled=cell.reason if cell.rate is None else f"{words.count(cell.fooled)} of {words.count(cell.among)}",
        interval=words.interval(cell.interval),
        noise=_share(cell.noise, cell.among),
        direct=_share(cell.direct, cell.among),
        agreed=_share(cell.agreed, cell.fooled),
    )


def _share(count: int | None, among: int) -> str:
    return "" if count is None or not among else words.percent(count / among)


def _source(source: TransferSource) -> parts.TransferSource:
    return parts.TransferSource(
        name=source.name,
        made_on=" + ".join(source.members) if len(source.members) > 1 else "",
        status=f"{source.status}: {source.reason}" if source.reason else source.status,
        attacked=words.count(source.attacked),
        passes=words.count(source.forwards + source.backwards),
        seconds=words.seconds(source.seconds),
    )
