from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from auditor.result.record import Result
from auditor.result.run import Run
from tests.formats.finished import write_run

Change = Callable[[Result], Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Two models, two norms, hostile names, one attack cut short."""
    return Run(write_run(tmp_path / "run"))


@pytest.fixture
def changed(run: Run) -> Callable[[Change], Run]:
    """The same run with another record."""

    def change(how: Change) -> Run:
        (run.path / "result.json").write_text(how(run.result).to_json(), encoding="utf-8")
        return Run(run.path)

    return change
