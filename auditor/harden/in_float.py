"""A quantised graph that computes with whole numbers cannot be trained; its float form, which answers alike, can."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from auditor.errors import UsageError
from auditor.harden.subject import whole_twin
from auditor.target.binding import bind

if TYPE_CHECKING:
    from auditor.harden.crew import Crew
    from auditor.samples.base import Samples
    from auditor.target.base import Target

FLOAT = "float.onnx"

_COMPARED = 256


def trainable_form(
    target: Target, samples: Samples, folder: Path, load: Callable[[str], Target], crew: Crew
) -> tuple[Target, tuple[str, ...]]:
    """The target, or its float form where its weights are whole numbers, and remarks in sentences.

    Args:
        target: bound to `samples`.
        folder: where the float form is written to, as `float.onnx`, by the first process.
        load: opens a model file as the target was opened.

    Raises:
        ModelError: something in the graph has no float form.
        UsageError: the folder cannot be written to.
    """
    twin = whole_twin(target)
    if twin is None:
        return target, ()
    path = folder / FLOAT
    try:
        if crew.rank == 0:
            twin.export(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}; make room.") from error
    crew.wait()
    form = replace(load(str(path)), name=target.name)
    with form.frozen():
        bind(form, samples)
    some = samples.fetch(range(min(_COMPARED, len(samples))))
    same = sum(int((target.answer(x).argmax(1) == form.answer(x).argmax(1)).sum()) for x in torch.split(some, 64))
    return form, (
        f"{target.name} computes with weights that are whole numbers, which cannot be trained; its float form was, "
        f"{path}, which gave {same} of {len(some)} samples the same class before any training. Quantise the hardened "
        "model as this one was.",
    )
