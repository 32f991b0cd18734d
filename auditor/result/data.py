"""What the samples of a run were, as the record holds it."""

from __future__ import annotations

from auditor.result.frozen import Frozen


class Skipped(Frozen):
    name: str
    reason: str


class Data(Frozen):
    """The samples that were audited."""

    source: str
    n: int
    sha256: str
    shape: tuple[int, ...] = ()
    classes: tuple[str, ...] | None = None
    skipped: tuple[Skipped, ...] = ()
    eight_bit: bool = False
