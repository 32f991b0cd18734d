"""`comparison.html`, `.md` and `.json`: what changed between two runs, and which samples flipped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from auditor.formats.compared import FILES, write_comparison
from auditor.formats.compared.view import flips
from auditor.result.comparison import compare_runs
from auditor.result.run import Run
from tests.formats.beyond import WANTED, write_beyond
from tests.formats.finished import HOSTILE, write_run


@pytest.fixture
def hard(tmp_path: Path) -> Run:
    return Run(write_beyond(tmp_path / "hard", ("hard",)))


@pytest.fixture
def soft(tmp_path: Path) -> Run:
    return Run(write_beyond(tmp_path / "soft", ("soft",)))


def written(name: str, before: Run, after: Run) -> str:
    return write_comparison(name, before, after, compare_runs(before, after), after.path).read_text(encoding="utf-8")


def test_a_program_is_told_every_sample_that_flipped_and_how_it_fell(hard: Run, soft: Run) -> None:
    record = json.loads(written("json", hard, soft))
    assert record["worse"] is True
    (threat,) = (each for each in record["threats"] if (each["norm"], each["eps"]) == ("l2", 1.0))
    # A sample needs (i + 1) * 0.1 in the earlier run and half of it in the later one; every tenth is always wrong.
    fell = [i for i in range(40) if (i + 1) * 0.05 <= 1.0 < (i + 1) * 0.1 and i % 10]
    assert [sample["index_after"] for sample in threat["lost_samples"]] == fell
    assert (threat["lost"], threat["gained"], threat["gained_samples"]) == (len(fell), 0, [])
    assert {sample["prediction"] for sample in threat["lost_samples"]} == {WANTED}
    assert record["smallest"][0]["word"] == "worse"


def test_what_is_lost_is_shown_as_the_later_run_has_it_and_what_is_gained_as_the_earlier_one_had(
    hard: Run, soft: Run
) -> None:
    page = written("html", hard, soft)
    assert "what fools it now, and did not before" in page
    assert page.count('class="picture ') == 12
    assert page.count("data:image/png") == 36
    assert "taken for ship" in page
    back = written("html", soft, hard)
    assert "what fooled it before, and does no more" in back
    assert "fools it now" not in back
    assert back.count('class="picture ') == 12


def test_without_evidence_there_are_no_pictures_and_the_page_says_why(hard: Run, soft: Run) -> None:
    shutil.rmtree(soft.path / "evidence")
    page = written("html", hard, soft)
    assert "The evidence is not in the run directory." in page
    assert "data:image/png" not in page


def test_runs_that_agree_have_nothing_that_flipped(soft: Run) -> None:
    page, summary = written("html", soft, soft), written("markdown", soft, soft)
    assert "What flipped" not in page
    assert "# auditor: not worse" in summary
    assert "<details>" not in summary


def test_names_from_files_are_text_in_every_format(tmp_path: Path) -> None:
    bold, small = (Run(write_run(tmp_path / name, (name,))) for name in ("bold", "small"))
    comparison = compare_runs(bold, small)
    assert any(HOSTILE in sample for each in flips(comparison, small) for sample in each.samples)
    assert HOSTILE not in written("html", bold, small)
    assert HOSTILE not in written("markdown", bold, small)
    assert "<script" not in written("html", bold, small)


def test_a_sample_that_fell_within_a_smaller_budget_says_so(tmp_path: Path) -> None:
    bold, small = (Run(write_run(tmp_path / name, (name,))) for name in ("bold", "small"))
    said = [sample for each in flips(compare_runs(bold, small), small) for sample in each.samples]
    assert any("(within a smaller budget)" in sample for sample in said)


def test_the_command_writes_what_is_asked_for_and_adds_to_the_jobs_page(
    auditor: Callable, hard: Run, soft: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "job.md"))
    done = auditor("compare", hard.path, soft.path, "--format", "html,markdown,json", "--out", tmp_path / "material")
    assert done.code == 1
    assert done.out.startswith("WORSE  soft, l2 1: 67.5% then, 45.0% now")
    assert {path.name for path in (tmp_path / "material").iterdir()} == set(FILES.values())
    assert "# auditor: worse" in (tmp_path / "job.md").read_text(encoding="utf-8")


def test_formats_and_folders_that_cannot_be_are_answered_in_a_sentence(
    auditor: Callable, hard: Run, tmp_path: Path
) -> None:
    unknown = auditor("compare", hard.path, hard.path, "--format", "pdf")
    assert unknown.code == 2
    assert "no format 'pdf'; choose from html, json, markdown." in unknown.err
    (tmp_path / "file").write_text("")
    blocked = auditor("compare", hard.path, hard.path, "--format", "json", "--out", tmp_path / "file")
    assert blocked.code == 2
    assert "cannot be written" in blocked.err
