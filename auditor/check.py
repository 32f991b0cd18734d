"""What a check is: a plugin that judges whether the evaluation itself can be trusted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from auditor.errors import PluginError
from auditor.types import Norm

if TYPE_CHECKING:
    from auditor.engine.scene import Scene


class Severity(StrEnum):
    """What a finding does to the verdict: nothing, a warning, `inconclusive`, or it stops the audit (`block`)."""

    INFO = "info"
    WARN = "warn"
    INCONCLUSIVE = "inconclusive"
    BLOCK = "block"


class Stage(StrEnum):
    """When a check looks: before any attack; at each threat, when its suite has run and more attacks can still be
    asked for; or when all attacks are done."""

    PREFLIGHT = "preflight"
    INQUIRY = "inquiry"
    AUDIT = "audit"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that a reader of the result has to know, with what to do about it."""

    code: str
    severity: Severity
    title: str
    detail: str
    remedy: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """The numbers that raised it, by name; under `"plot"` what `plot` makes."""


def plot(
    x: Sequence[float], y: Sequence[float], x_title: str, y_title: str, *, threshold: float | None = None
) -> dict[str, Any]:
    """A line for a finding's evidence; a `threshold` is drawn across it. Shares are from 0 to 1."""
    return {"x": list(x), "y": list(y), "x_title": x_title, "y_title": y_title, "threshold": threshold}


def own_findings(check: type[Check], told: object) -> list[Finding]:
    """What a check returned, if it is findings of its own.

    Raises:
        PluginError: it is something else, or a finding that carries another check's code.
    """
    listed = list(islice(told, _MOST + 1)) if isinstance(told, Iterable) else [told]
    if len(listed) > _MOST:
        raise PluginError(f"it found more than {_MOST} things")
    findings = [item for item in listed if isinstance(item, Finding)]
    if len(findings) < len(listed):
        raise PluginError("it returned something that is no finding")
    if odd := [finding for finding in findings if not _sound(finding)]:
        raise PluginError(f"it returned a finding of other types than auditor.Finding says: {odd[0]!r}")
    if others := [finding.code for finding in findings if finding.code != check.code]:
        raise PluginError(f"it raised {others[0]}, which is not its own code")
    return findings


def _sound(finding: Finding) -> bool:
    texts = (finding.code, finding.title, finding.detail, finding.remedy)
    kinds = isinstance(finding.severity, Severity) and isinstance(finding.evidence, Mapping)
    return kinds and all(isinstance(text, str) for text in texts)


_MOST = 1000
"""Findings of one check on one model."""

BALLS = frozenset({Norm.LINF, Norm.L2, Norm.L1, Norm.L0})


class Check(ABC):
    """Judges one way in which an evaluation goes wrong.

    The class docstring is what `auditor explain CODE` prints: a first line, then the headings `Seen:`, `Means:`,
    `Measured:`, `Threshold:` (with its source) and `Do:`.
    """

    code: ClassVar[str]
    title: ClassVar[str]
    stage: ClassVar[Stage]
    norms: ClassVar[frozenset[Norm]] = BALLS
    """Under which threats an inquiry is made; never where the smallest changes are looked for."""
    once: ClassVar[bool] = False
    """Whether one inquiry is enough for a norm: at its largest budget."""
    settles: ClassVar[frozenset[str]] = frozenset()
    """Codes of findings before the attacks that no longer make the audit inconclusive where this inquiry, under every
    threat, came to an end without a doubt."""

    @abstractmethod
    def inspect(self, scene: Scene) -> Iterable[Finding]:
        """Look, and yield what was found; nothing where all is well.

        Preflight checks see `scene.target`, `scene.x`, `scene.y` (at most a few hundred samples in `[0, 1]`) and
        `scene.settings`; checks of stage `audit` also see `scene.result`, the record of the model so far, and those
        of stage `inquiry` see `scene.inquiry`: what a threat's attacks did, and a way to run more of them.
        """
