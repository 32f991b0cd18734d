"""A check raises its own code, and nobody else's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import pytest

from auditor import Severity
from auditor.check import Check, Finding, Stage, own_findings
from auditor.engine.preflight import CHECK_FAILED, inspect
from auditor.engine.scene import Scene
from auditor.errors import PluginError


class Borrowing(Check):
    code: ClassVar[str] = "AUD901"
    title: ClassVar[str] = "Borrows a code"
    stage: ClassVar[Stage] = Stage.PREFLIGHT

    def inspect(self, scene: Scene) -> Iterable[Finding]:
        yield Finding(code="AUD901", severity=Severity.INFO, title="own", detail="")
        yield Finding(code="AUD104", severity=Severity.BLOCK, title="borrowed", detail="")


def test_a_finding_under_another_checks_code_breaks_the_check_and_stops_nothing(honest: Scene) -> None:
    (finding,) = inspect([Borrowing], honest, Stage.PREFLIGHT)
    assert (finding.code, finding.severity) == (CHECK_FAILED, Severity.WARN)
    assert "AUD104" in finding.detail
    assert "AUD901" in finding.title


def test_what_is_no_finding_is_none() -> None:
    with pytest.raises(PluginError, match="no finding"):
        own_findings(Borrowing, ["AUD901"])
