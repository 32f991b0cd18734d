"""`comparison.json`: a comparison for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from auditor.formats.compared.view import CONFIDENCE, headline

if TYPE_CHECKING:
    from auditor.result.comparison import Comparison, Flip, Pair
    from auditor.result.run import Run

SCHEMA = "auditor.comparison/1"


def render(before: Run, after: Run, comparison: Comparison) -> str:
    """The keys are documented in `docs/reference/comparison.md`."""
    record = {
        "schema": SCHEMA,
        "before": str(before.path),
        "after": str(after.path),
        "confidence": CONFIDENCE,
        "worse": comparison.worse,
        "summary": headline(comparison),
        "doubts": comparison.doubts,
        "notes": comparison.notes,
        "threats": [_threat(pair) for pair in comparison.pairs],
        "smallest": [
            {"model": pair.model, "norm": pair.norm, **pair.change.model_dump(mode="json")} for pair in comparison.sizes
        ],
    }
    return json.dumps(record, indent=1, ensure_ascii=False) + "\n"


def _threat(pair: Pair) -> dict[str, Any]:
    drop = pair.drop.model_dump(mode="json", exclude={"doubts"})
    return {
        "model": pair.model,
        "norm": pair.norm,
        "eps": pair.eps,
        **drop,
        "lost_samples": [_sample(flip, 1) for flip in pair.lost],
        "gained_samples": [_sample(flip, 0) for flip in pair.gained],
    }


def _sample(flip: Flip, fell: int) -> dict[str, Any]:
    """A sample by its position in both runs, and what became of it in the one in which it falls."""
    row = flip[fell]
    return {
        "index_before": flip[0].index,
        "index_after": flip[1].index,
        "name": row.name,
        "label": row.label,
        "outcome": row.outcome,
        "broken_by": row.broken_by,
        "prediction": row.clean_prediction if row.adversarial_prediction is None else row.adversarial_prediction,
        "distance": row.distance,
    }
