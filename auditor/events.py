"""What happens during a scan, as frozen records: progress bars, plugins and logs all listen to these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from pathlib import Path

    from auditor.result.record import AttackRun, Result
    from auditor.types import Threat


@dataclass(frozen=True, kw_only=True)
class ScanStarted:
    models: tuple[str, ...]
    samples: int
    run: str


@dataclass(frozen=True, kw_only=True)
class StageStarted:
    """A part of the scan begins: it takes at most `total` passes of samples through the model; 0 is not known."""

    model: str
    title: str
    total: int


@dataclass(frozen=True, kw_only=True)
class Progress:
    """`done` of the stage's `total` passes are through or spared; `broken` samples fell in it so far."""

    model: str
    done: int
    total: int
    broken: int


@dataclass(frozen=True, kw_only=True)
class ExamplesFound:
    """The referee confirmed adversarial examples for the samples with these indices."""

    model: str
    threat: Threat
    attack: str
    indices: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class AttackFinished:
    model: str
    threat: Threat
    attack: AttackRun


@dataclass(frozen=True, kw_only=True)
class ScanFinished:
    result: Result


@dataclass(frozen=True, kw_only=True)
class ReportsWritten:
    """All that a scan leaves is on disk; `track` names the trackers that the user wants it in."""

    result: Result
    run: Path
    files: tuple[Path, ...]
    """The record, the samples and the reports."""
    track: tuple[str, ...] = ()


Event: TypeAlias = (
    ScanStarted | StageStarted | Progress | ExamplesFound | AttackFinished | ScanFinished | ReportsWritten
)
