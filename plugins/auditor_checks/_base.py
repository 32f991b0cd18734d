"""What the checks of this package have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from auditor.check import Check, Finding, Severity, Stage


class TrustCheck(Check):
    """A check whose findings carry its own code, and its title unless they say it better."""

    stage: ClassVar[Stage] = Stage.PREFLIGHT

    def finding(
        self,
        severity: Severity,
        detail: str,
        remedy: str = "",
        *,
        title: str | None = None,
        evidence: Mapping[str, Any] | None = None,
    ) -> Finding:
        """A finding of this check; `evidence`: the numbers that raised it, by name."""
        return Finding(
            code=self.code,
            severity=severity,
            title=title or self.title,
            detail=detail,
            remedy=remedy,
            evidence=evidence or {},
        )


def share(k: int, n: int) -> str:
    """`"12 of 256 (4.7 %)"`."""
    return f"{k} of {n} ({k / n:.1%})".replace("%", " %")


def chance(p: float) -> str:
    """A p-value as a person reads it: `"p = 0.012"`, and `"p < 0.001"` where more digits mean nothing."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def percent(value: float) -> str:
    """A share as a person reads it: `"97.3 %"`."""
    return f"{100.0 * value:.1f} %"
