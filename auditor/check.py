"""What a check is: a plugin that judges whether the evaluation itself can be trusted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from auditor.engine.scene import Scene


class Severity(StrEnum):
    """What a finding does to the verdict: nothing, a warning, `inconclusive`, or it stops the audit (`block`)."""

    INFO = "info"
    WARN = "warn"
    INCONCLUSIVE = "inconclusive"
    BLOCK = "block"


class Stage(StrEnum):
    """When a check looks: before any attack, or when the attacks are done."""

    PREFLIGHT = "preflight"
    AUDIT = "audit"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that a reader of the result has to know, with what to do about it."""

    code: str
    severity: Severity
    title: str
    detail: str
    remedy: str = ""


class Check(ABC):
    """Judges one way in which an evaluation goes wrong.

    The class docstring is what `auditor explain CODE` prints: a first line, then the headings `Seen:`, `Means:`,
    `Measured:`, `Threshold:` (with its source) and `Do:`.
    """

    code: ClassVar[str]
    title: ClassVar[str]
    stage: ClassVar[Stage]

    @abstractmethod
    def inspect(self, scene: Scene) -> Iterable[Finding]:
        """Look, and yield what was found; nothing where all is well.

        Preflight checks see `scene.target`, `scene.x`, `scene.y` (at most a few hundred samples in `[0, 1]`) and
        `scene.settings`; checks of stage `audit` also see `scene.result`, the record of the model so far.
        """
