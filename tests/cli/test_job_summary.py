from __future__ import annotations

from pathlib import Path

import pytest

from auditor.cli import job_summary
from auditor.cli.job_summary import VARIABLE, add_to_job_summary
from auditor.errors import RunError


@pytest.fixture
def summary(tmp_path: Path) -> Path:
    path = tmp_path / "summary.md"
    path.write_text("# auditor: pass\n", encoding="utf-8")
    return path


def test_the_summary_follows_what_the_job_has_already_said(
    summary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "job.md"
    place.write_text("built\n", encoding="utf-8")
    monkeypatch.setenv(VARIABLE, str(place))
    add_to_job_summary(summary)
    assert place.read_text(encoding="utf-8") == "built\n# auditor: pass\n\n"


def test_outside_of_a_job_nothing_is_written(summary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    add_to_job_summary(summary)
    assert [path.name for path in summary.parent.iterdir()] == ["summary.md"]


def test_what_the_service_would_not_show_does_not_hide_the_rest(
    summary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "job.md"
    place.write_text("built\n", encoding="utf-8")
    monkeypatch.setenv(VARIABLE, str(place))
    monkeypatch.setattr(job_summary, "MOST", 20)
    add_to_job_summary(summary)
    assert place.read_text(encoding="utf-8") == "built\n"


def test_a_summary_that_cannot_be_written_is_a_sentence(
    summary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(RunError, match=r"job's summary .* cannot be written"):
        add_to_job_summary(summary)
