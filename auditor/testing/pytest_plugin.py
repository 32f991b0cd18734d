"""What pytest learns of auditor: the fixture `assert_robust`, and where its reports go."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from auditor.result.record import Result


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--auditor-reports DIR`, and `auditor_reports` in the ini file."""
    text = "folder for the reports of models that are not robust enough"
    parser.getgroup("auditor").addoption("--auditor-reports", metavar="DIR", help=f"{text} [auditor-runs/tests]")
    parser.addini("auditor_reports", help=text, default="auditor-runs/tests")


@pytest.fixture
def assert_robust(
    request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> Callable[..., Result]:
    """`auditor.testing.assert_robust`, with a report that is named for the test and told to JUnit's XML.

    A test that asserts more than once keeps the report of the one that failed.
    """
    from auditor.testing.robustness import assert_robust

    chosen = request.config.getoption("--auditor-reports") or request.config.getini("auditor_reports")
    report = Path(str(chosen)) / re.sub(r"[^\w.-]+", "-", request.node.nodeid)

    def check(*arguments: object, **settings: object) -> Result:
        try:
            return partial(assert_robust, report=report)(*arguments, **settings)  # type: ignore[arg-type]
        except AssertionError:
            record_property("auditor_report", str(report / "report.html"))
            raise

    return check
