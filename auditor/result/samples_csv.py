"""`samples.csv`: a row per model, threat and sample."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from auditor.errors import RunError
from auditor.types import AUTO


@dataclass(frozen=True, kw_only=True)
class Row:
    """What became of one sample under one threat. Empty strings stand for what does not apply."""

    model: str
    norm: str
    eps: float
    index: int
    label: int
    clean_prediction: int
    clean_correct: bool
    outcome: str
    broken_by: str = ""
    adversarial_prediction: int | None = None
    adversarial_confidence: float | None = None
    distance: float | None = None
    clean_confidence: float | None = None
    name: str = ""
    passes: int | None = None
    """Passes spent until it fell, or in total where it stands."""
    digest: str = ""
    """Of the sample's pixels and label: the same sample in another run has the same."""
    fooled_draws: int | None = None
    """Of a model that answers at random: how many fresh draws were wrong at the worst point known."""


COLUMNS = tuple(field.name for field in fields(Row))


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write the table; floats keep enough digits to be read back exactly."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in rows:
            writer.writerow([_text(value) for value in asdict(row).values()])


def _text(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return AUTO if math.isinf(value) else repr(value)
    return value


def read_rows(path: Path) -> Iterator[Row]:
    """Read the table again.

    Raises:
        RunError: the file is missing, or a row does not hold what it should.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for number, record in enumerate(csv.DictReader(file), 2):
                yield _row(record, path, number)
    except (UnicodeDecodeError, csv.Error) as error:
        raise RunError(f"{path} is no table of auditor: {error}.") from error
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}.") from error


def _row(record: dict[str, str], path: Path, number: int) -> Row:
    def optional(key: str, kind: type[int] | type[float]) -> int | float | None:
        return kind(record[key]) if record.get(key) else None

    try:
        return Row(
            model=record["model"],
            norm=record["norm"],
            eps=math.inf if record["eps"] == AUTO else float(record["eps"]),
            index=int(record["index"]),
            label=int(record["label"]),
            clean_prediction=int(record["clean_prediction"]),
            clean_correct=record["clean_correct"] == "true",
            outcome=record["outcome"],
            broken_by=record["broken_by"],
            adversarial_prediction=optional("adversarial_prediction", int),  # type: ignore[arg-type]
            adversarial_confidence=optional("adversarial_confidence", float),
            distance=optional("distance", float),
            clean_confidence=optional("clean_confidence", float),
            name=record.get("name", ""),
            passes=optional("passes", int),  # type: ignore[arg-type]
            digest=record.get("digest") or "",
            fooled_draws=optional("fooled_draws", int),  # type: ignore[arg-type]
        )
    except (KeyError, ValueError, TypeError) as error:
        raise RunError(f"{path}, line {number}, does not hold what samples.csv should: {error}.") from error
