"""The mean corruption error of arXiv:1903.12261: errors as shares of another model's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.result.comparison import matched

if TYPE_CHECKING:
    from auditor.result.measures import CorruptionResult
    from auditor.result.record import ModelResult
    from auditor.result.run import Run


def normalised_error(table: tuple[CorruptionResult, ...], baseline: tuple[CorruptionResult, ...]) -> float | None:
    """The mean over the corruptions of the model's errors, added up over severities, divided by the baseline's.

    None where the tables are of other corruptions or severities, or the baseline makes no error under one of them.
    """
    ours, theirs = (_errors(cells) for cells in (table, baseline))
    if not ours or {(c.name, c.severity) for c in table} != {(c.name, c.severity) for c in baseline}:
        return None
    if not all(theirs.values()):
        return None
    return sum(ours[name] / theirs[name] for name in ours) / len(ours)


def normalised(model: ModelResult, before: Run, after: Run) -> ModelResult:
    """The model's record with its corruption errors measured by those of its baseline in another run."""
    baseline = next((old for old, new in matched(before, after) if new.name == model.name), None)
    tables = {(t.norm, t.eps): t.corruptions for t in (baseline.threats if baseline else ())}
    threats = tuple(
        threat.model_copy(
            update={
                "normalised_corruption_error": normalised_error(
                    threat.corruptions, tables.get((threat.norm, threat.eps), ())
                )
            }
        )
        for threat in model.threats
    )
    return model.model_copy(update={"threats": threats})


def _errors(cells: tuple[CorruptionResult, ...]) -> dict[str, float]:
    errors: dict[str, float] = {}
    for cell in cells:
        errors[cell.name] = errors.get(cell.name, 0.0) + 1.0 - cell.accuracy
    return errors
