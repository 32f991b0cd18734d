"""Pictures of what fooled the model, from the evidence: original, magnified difference, adversarial example."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from auditor.errors import RunError
from auditor.formats import words
from auditor.formats.html import context
from auditor.formats.views.pictures import choose
from auditor.result.record import INHERITED

if TYPE_CHECKING:
    import numpy as np

    from auditor.result.record import ModelResult
    from auditor.result.run import Run
    from auditor.result.samples_csv import Row

_SMALL = 96
_LARGE = 256
_LEAST_SIDE = 4

Found = tuple["np.ndarray", "np.ndarray"]


def pictures(run: Run, model: ModelResult, rows: Sequence[Row]) -> tuple[tuple[context.Picture, ...], str]:
    """At most twelve pictures of one model, and why there are none where there are none."""
    chosen = choose(rows, skip=frozenset({INHERITED}))
    if not chosen:
        return (), "No sample was broken." if model.threats else ""
    try:
        found = _find(run, model, chosen)
    except RunError as error:
        return (), str(error)
    if not found:
        return (), "The evidence is not in the run directory."
    drawable = [row for row in chosen if row in found and is_picture(found[row][0].shape)]
    if not drawable:
        return (), "The samples are not images."
    return tuple(_picture(row, *found[row], model.classes) for row in drawable), ""


def is_picture(shape: tuple[int, ...]) -> bool:
    """Whether `(C, H, W)` can be shown: one or three channels, and no mere strip of numbers."""
    return len(shape) == 3 and shape[0] in (1, 3) and min(shape[1:]) >= _LEAST_SIDE


def _find(run: Run, model: ModelResult, chosen: Sequence[Row]) -> dict[Row, Found]:
    """Originals and adversarial examples of the chosen rows; reads a shard at a time and keeps only these."""
    found: dict[Row, Found] = {}
    for norm, eps in dict.fromkeys((row.norm, row.eps) for row in chosen):
        wanted = {row.index: row for row in chosen if (row.norm, row.eps) == (norm, eps)}
        for shard in run.evidence(model.name, norm, eps):
            for place, index in enumerate(shard.index.tolist()):
                if index in wanted:
                    found[wanted[index]] = (shard.original[place], shard.adversarial[place])
    return found


def _picture(
    row: Row, original: np.ndarray, adversarial: np.ndarray, classes: tuple[str, ...] | None
) -> context.Picture:
    import numpy as np

    largest = float(np.abs(adversarial - original).max())
    factor = 0.5 / largest if largest > 0.0 else 1.0
    difference = 0.5 + factor * (adversarial - original)
    height, width = original.shape[1:]
    return context.Picture(
        original=data_uri(original),
        difference=data_uri(difference),
        adversarial=data_uri(adversarial),
        width=width,
        height=height,
        pixelated=max(width, height) <= _SMALL,
        before=words.class_name(row.clean_prediction, classes),
        before_confidence=_confidence(row.clean_confidence),
        after=words.class_name(row.adversarial_prediction, classes),
        after_confidence=_confidence(row.adversarial_confidence),
        true=words.class_name(row.label, classes),
        sample=f"{row.index} ({row.name})" if row.name else str(row.index),
        cause=f"{row.broken_by}, {words.threat(row.norm, row.eps)}",
        distance="" if row.distance is None else words.threat(row.norm, row.distance),
        magnified=f"{factor:.3g}×",
    )


def _confidence(share: float | None) -> str:
    return "" if share is None else words.percent(share)


def data_uri(image: np.ndarray) -> str:
    """`(C, H, W)` in `[0, 1]` as a PNG data URI; images beyond 256 pixels a side are reduced by a whole factor."""
    import numpy as np
    from PIL import Image

    levels = np.rint(np.clip(np.nan_to_num(image), 0.0, 1.0) * 255.0).astype(np.uint8)
    picture = Image.fromarray(levels[0] if len(levels) == 1 else np.ascontiguousarray(levels.transpose(1, 2, 0)))
    if (factor := -(-max(picture.size) // _LARGE)) > 1:
        picture = picture.reduce(factor)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
