"""Pictures of what fooled the model, from the evidence: the sample, what was changed, the result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from auditor.errors import RunError
from auditor.formats import words
from auditor.formats.html import context
from auditor.formats.html.deeds import done
from auditor.formats.html.drawing import SMALL, changed_box, difference, is_picture, shown
from auditor.formats.views.pictures import choose
from auditor.result.record import INHERITED

if TYPE_CHECKING:
    from auditor.formats.html.shown import Shown
    from auditor.result.evidence import Shard
    from auditor.result.record import ModelResult, Result
    from auditor.result.run import Run
    from auditor.result.samples_csv import Row

_RENDERED = ("spatial", "flow", "corruption")


def pictures(run: Run, model: ModelResult, rows: Sequence[Row]) -> tuple[tuple[context.Picture, ...], str]:
    """At most twelve pictures of one model, and why there are none where there are none."""
    chosen = choose(rows, skip=frozenset({INHERITED}))
    if not chosen:
        return (), "No sample was broken." if model.threats else ""
    return drawn(run, model, chosen)


def drawn(run: Run, model: ModelResult, chosen: Sequence[Row]) -> tuple[tuple[context.Picture, ...], str]:
    """A picture of each row whose example is among the evidence, and why there are none where there are none."""
    try:
        found = _find(run, model, chosen)
    except RunError as error:
        return (), str(error)
    if not found:
        return (), "The evidence is not in the run directory."
    drawable = [row for row in chosen if row in found and is_picture(found[row].original.shape[1:])]
    if not drawable:
        return (), "The samples are not images."
    return tuple(_picture(run.result, model, row, found[row]) for row in drawable), ""


def _find(run: Run, model: ModelResult, chosen: Sequence[Row]) -> dict[Row, Shard]:
    """The chosen examples, a shard of one each; reads a file at a time and keeps only these."""
    found: dict[Row, Shard] = {}
    for norm, eps in dict.fromkeys((row.norm, row.eps) for row in chosen):
        wanted = {row.index: row for row in chosen if (row.norm, row.eps) == (norm, eps)}
        for shard in run.evidence(model.name, norm, eps):
            for place, index in enumerate(shard.index.tolist()):
                if index in wanted:
                    found[wanted[index]] = shard.select(slice(place, place + 1))
    return found


def _picture(result: Result, model: ModelResult, row: Row, example: Shard) -> context.Picture:
    true, after = (words.class_name(label, model.classes) for label in (row.label, row.adversarial_prediction))
    sample = f"{row.index} ({row.name})" if row.name else str(row.index)
    before = f"Sample {sample} as it is: {true}"
    images, deed = _images(row, example, result, before, f"The same sample changed: taken for {after}")
    targeted = str(result.settings.get("goal", "")).partition(":")[0] in ("targeted", "impersonate")
    return context.Picture(
        shown=images,
        pixelated=max(example.original.shape[2:]) <= SMALL,
        before=words.class_name(row.clean_prediction, model.classes),
        before_confidence=_confidence(row.clean_confidence),
        after=after,
        after_confidence=_confidence(row.adversarial_confidence),
        wanted=targeted,
        sample=sample,
        cause=f"{row.broken_by}, {words.threat(row.norm, row.eps, result.settings)}",
        # Of a corruption the deed says the severity.
        distance="" if row.distance is None or row.norm == "corruption" else words.threat(row.norm, row.distance),
        done=deed,
    )


def _images(row: Row, example: Shard, result: Result, before: str, after: str) -> tuple[tuple[Shown, ...], str]:
    """What to show of an example, and what was done to it in words."""
    original, adversarial = example.original[0], example.adversarial[0]
    if row.norm in _RENDERED:
        deed = "" if example.points is None else done(row.norm, example.points[0], result.settings)
        return (shown(original, before), shown(adversarial, after)), deed
    if row.norm == "patch" and (box := changed_box(original, adversarial)) is not None:
        left, top, width, height = box
        patch = adversarial[:, top : top + height, left : left + width]
        images = shown(original, before), shown(patch, "The patch alone"), shown(adversarial, after, box)
        return images, f"a patch of {width} × {height} pixels"
    change, factor = difference(original, adversarial)
    magnified = f"change {'magnified' if factor > 1.0 else 'shown at'} {factor:.3g}×"
    middle = shown(change, f"What was changed: {magnified}")
    return (shown(original, before), middle, shown(adversarial, after)), magnified


def _confidence(share: float | None) -> str:
    return "" if share is None else words.percent(share)
