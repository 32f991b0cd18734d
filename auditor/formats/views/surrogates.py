"""What stood in for a model, in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from auditor.formats import words

if TYPE_CHECKING:
    from auditor.result.record import ModelResult


def surrogate_sentences(model: ModelResult) -> Iterator[str]:
    """A sentence for each surrogate that was tried, and one about the passes through all of them; those that were left
    out have a finding."""
    for each in model.surrogates:
        if each.left_out:
            continue
        trained = f", trained on {words.count(each.queries)} queries" if each.queries else ""
        agreed = round((each.agreement or 0.0) * each.samples)
        unseen = " that it was not trained on" if each.queries else ""
        alike = f"it gives the model's label to {agreed} of {words.count(each.samples, 'sample')}{unseen}"
        yield f"surrogate {each.name}{trained}: {alike if each.samples else 'no sample was left to compare it on'}."
    runs = [run for threat in model.threats for run in threat.attacks]
    if passes := sum(run.surrogate_forwards + run.surrogate_backwards for run in runs):
        yield f"{words.count(passes)} passes went through surrogates, beside those in the table."
