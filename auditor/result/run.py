"""A finished run, read from its directory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from auditor.errors import RunError
from auditor.result.evidence import read_evidence, read_shard, transfer_folder
from auditor.result.record import SCHEMA, Result
from auditor.result.samples_csv import Row, read_rows

if TYPE_CHECKING:
    from auditor.result.evidence import Shard


class Run:
    """What a run directory says: the record, a row per sample, the evidence. Formats are pure functions of this."""

    def __init__(self, path: Path, result: Result | None = None) -> None:
        """Read a run, or take a `result` that is not written yet.

        Raises:
            RunError: there is no `result.json`, or one of another schema.
        """
        self.path = path
        self.result = result or _read_result(path / "result.json")

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """All rows of `samples.csv`."""
        return tuple(read_rows(self.path / "samples.csv"))

    def rows_of(self, model: str, norm: str, eps: float) -> tuple[Row, ...]:
        """The rows of one model and threat."""
        return tuple(r for r in self.rows if r.model == model and r.norm == norm and math.isclose(r.eps, eps))

    def evidence(self, model: str, norm: str, eps: float) -> Iterator[Shard]:
        """The counted adversarial examples of one model and threat; read lazily, shard by shard."""
        return read_evidence(self.path, model, norm, eps)

    def tried_on_others(self, source: str, norm: str, eps: float, attack: str) -> Iterator[Shard]:
        """The examples that were made on one model and tried on the others; nothing where they are not kept."""
        place = transfer_folder(self.path, source, norm, eps, attack)
        return (read_shard(path) for path in sorted(place.glob("*.safetensors")))


def _read_result(path: Path) -> Result:
    try:
        result = Result.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise RunError(f"{path.parent} is no finished run: it holds no result.json.") from None
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise RunError(f"{path} is no record of auditor: {where + ': ' if where else ''}{first['msg']}.") from error
    if result.schema_ != SCHEMA:
        raise RunError(f"{path} has schema {result.schema_!r}; this version of auditor reads {SCHEMA!r}.")
    return result
