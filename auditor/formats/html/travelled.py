"""Pictures of examples that travelled: the sample, the change, the result, and which models took it for what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from auditor.errors import RunError
from auditor.formats import words
from auditor.formats.html import transfer_parts as parts
from auditor.formats.html.drawing import SMALL, difference, is_picture, shown

if TYPE_CHECKING:
    from auditor.result.evidence import Shard
    from auditor.result.run import Run
    from auditor.result.transfer import TransferMatrix, Travelled


def travelled(run: Run, matrix: TransferMatrix) -> tuple[tuple[parts.TravelledPicture, ...], str]:
    """Those that the record names, and why there are none where there are none."""
    if not matrix.travelled:
        return (), ""
    try:
        found = dict(_found(run, matrix))
    except RunError as error:
        return (), str(error)
    if not found:
        return (), "The examples are not in the run directory."
    if not is_picture(next(iter(found.values())).original.shape[1:]):
        return (), "The samples are not images."
    names = {row.index: row.name for row in run.rows}
    return tuple(
        _picture(run, example, found[example], names.get(example.index, ""))
        for example in matrix.travelled
        if example in found
    ), ""


def _found(run: Run, matrix: TransferMatrix) -> Iterator[tuple[Travelled, Shard]]:
    """A shard of one for each example that is kept; reads a file at a time."""
    for source in dict.fromkeys(example.source for example in matrix.travelled):
        wanted = {example.index: example for example in matrix.travelled if example.source == source}
        for shard in run.tried_on_others(source, matrix.norm, matrix.eps, matrix.attack):
            for place, index in enumerate(shard.index.tolist()):
                if index in wanted:
                    yield wanted[index], shard.select(slice(place, place + 1))


def _picture(run: Run, example: Travelled, kept: Shard, name: str) -> parts.TravelledPicture:
    classes = run.result.data.classes
    truth, original, changed = words.class_name(example.label, classes), kept.original[0], kept.adversarial[0]
    change, factor = difference(original, changed)
    magnified = f"change {'magnified' if factor > 1.0 else 'shown at'} {factor:.3g}×"
    others = [answer for answer in example.answers if answer.model != example.source]
    taken = dict.fromkeys(answer.label for answer in others if answer.fooled)
    sample = f"{example.index} ({name})" if name else str(example.index)
    return parts.TravelledPicture(
        shown=(
            shown(original, f"Sample {sample} as it is: {truth}"),
            shown(change, f"What was changed: {magnified}"),
            shown(changed, f"The same sample, changed to fool {example.source}"),
        ),
        pixelated=max(original.shape[1:]) <= SMALL,
        truth=truth,
        source=example.source,
        own=next((words.class_name(a.label, classes) for a in example.answers if a.model == example.source), ""),
        taken=tuple(
            (words.class_name(label, classes), _listed(a.model for a in others if a.fooled and a.label == label))
            for label in taken
        ),
        held=_listed(answer.model for answer in others if not answer.fooled),
        sample=sample,
        done=magnified,
    )


def _listed(names: Iterable[str]) -> str:
    *most, last = tuple(names) or ("",)
    return f"{', '.join(most)} and {last}" if most else last
