"""What an audit says of how a model changed since its baseline."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from auditor.engine.clean import digest
from auditor.formats.views.numbers import change_text, drop_text
from auditor.formats.words import threat
from auditor.result.record import Finding

if TYPE_CHECKING:
    from auditor.result.comparison import Comparison
    from auditor.result.record import ModelResult
    from auditor.result.run import Run
    from auditor.samples.base import Samples

COMPARED = "AUD306"
_BATCH = 64


def shares_none(baseline: Run, samples: Samples) -> bool:
    """Whether the baseline audited none of these samples; asked before anything is attacked."""
    if baseline.result.data.sha256 == samples.sha256:
        return False
    known = {row.digest for row in baseline.rows if row.digest}
    for start in range(0, len(samples) if known else 0, _BATCH):
        indices = range(start, min(start + _BATCH, len(samples)))
        x, labels = samples.fetch(indices), samples.labels[start : indices[-1] + 1].tolist()
        if any(digest(sample, label) in known for sample, label in zip(x, labels, strict=True)):
            return False
    return True


def compared(model: ModelResult, comparison: Comparison) -> ModelResult:
    """The model's record with what changed since the baseline, and a finding that says so."""
    pairs = [pair for pair in comparison.pairs if pair.model == model.name]
    changes = {pair.norm: pair.change for pair in comparison.sizes if pair.model == model.name}
    said = [f"{threat(pair.norm, pair.eps) if pair.norm else 'clean'}: {drop_text(pair.drop)}" for pair in pairs]
    said += [f"{threat(norm, math.inf)}: {change_text(change, norm)}" for norm, change in changes.items()]
    drops = {(pair.norm, pair.eps): pair.drop for pair in pairs if pair.norm}
    words = [pair.drop.word for pair in pairs] + [change.word for change in changes.values()]
    finding = Finding(
        code=COMPARED,
        severity="warn" if "worse" in words else "info",
        title="Compared with the baseline",
        detail="; ".join([*(said or ["The baseline holds no such model"]), *comparison.doubts, *comparison.notes]),
        remedy="`auditor compare` shows both runs.",
    )
    threats = tuple(
        t.model_copy(update={"change": changes.get(t.norm)} if t.minimal else {"drop": drops.get((t.norm, t.eps))})
        for t in model.threats
    )
    return model.model_copy(update={"findings": (*model.findings, finding), "threats": threats})
