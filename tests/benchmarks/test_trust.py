"""The page of known answers says what was measured, and no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditor.selftest.case import Case
from auditor.selftest.judging import Judged
from auditor.selftest.running import Outcome
from benchmarks.trust import page

NAMED = Judged(
    Case(name="named", model="m", wrong="labels", codes=("AUD105",)),
    Outcome(case="named", verdict="error", raised={"AUD105": "block"}),
    None,
)
MISSED = Judged(
    Case(name="missed", model="m", wrong="a mask", codes=("AUD113",)),
    Outcome(case="missed", verdict="pass", reported=0.9),
    0.2,
)
SPENT = Outcome(
    case="sound", verdict="pass", passes=1000, further=50, checks={"AUD211": (False, 40), "AUD221": (False, 10)}
)
HONEST = Judged(Case(name="sound", model="m"), SPENT, None)
DOUBTED = Judged(
    Case(name="slandered", model="m"),
    Outcome(
        case="slandered",
        verdict="pass",
        raised={"AUD207": "warn"},
        passes=1000,
        further=150,
        checks={"AUD211": (True, 150)},
    ),
    None,
)


def _masked(name: str, reported: float | None, opened: str = "o") -> Judged:
    case = Case(name=name, model="m", wrong="a mask", codes=("AUD202",), opened=opened)
    return Judged(case, Outcome(case=name, verdict="inconclusive", raised={"AUD202": "warn"}, reported=reported), 0.2)


MASKED = (_masked("turned", 0.22), _masked("nearer", 0.23), _masked("there", 0.2), _masked("not-evaluated", None))
WEAK = _masked("weak-attack", 0.2, opened="m")
ALONE = {"turned": 0.23, "nearer": 0.9, "there": 0.22, "not-evaluated": None, "weak-attack": 0.98}


@pytest.fixture
def written(tmp_path: Path) -> str:
    path = tmp_path / "page.md"
    path.write_text(f"before\n{page.START}\nold\n{page.END}\nafter\n", encoding="utf-8")
    judged = [NAMED, MISSED, HONEST, DOUBTED, *MASKED, WEAK]
    page.write(judged, {"missed": 0.9, **ALONE}, "8 cases.", path)
    return path.read_text(encoding="utf-8")


def _table(written: str, title: str) -> dict[str, str]:
    """The rows below a title, by their first cell."""
    part = written.partition(f"### {title}\n")[2].partition("###")[0]
    return {line.split("|")[1].strip(): line for line in part.splitlines() if line.startswith("|")}


def test_what_stands_around_the_tables_stays(written: str) -> None:
    assert written.startswith(f"before\n{page.START}")
    assert written.endswith(f"{page.END}\nafter\n")
    assert "old" not in written


def test_the_confusion_is_counted(written: str) -> None:
    assert "| both | 7 | 6 | 1 | 2 | 1 |" in written


def test_what_further_attacks_came_to_is_told_of_each_model_whose_truth_is_known(written: str) -> None:
    rows = _table(written, "What further attacks came to")
    assert rows["turned"] == "| turned | 23.0% | 22.0% | 20.0% | inconclusive | yes |"
    assert rows["nearer"] == "| nearer | 90.0% | 23.0% | 20.0% | inconclusive | **no** |"
    assert rows["there"] == "| there | 22.0% | 20.0% | 20.0% | inconclusive | was there |"
    assert rows["not-evaluated"] == "| not-evaluated |  |  | 20.0% | inconclusive |  |"
    assert not {"named", "sound", "slandered"} & rows.keys()
    assert "Of 5 masked models, 3 were called robust by more than two points too much, and 1 of these came" in written
    assert "Of 1 audits with attacks that do not work, 1 were" in written


def test_misses_false_alarms_and_flattery_are_named(written: str) -> None:
    rows = {**_table(written, "Broken"), **_table(written, "Honest")}
    assert rows["missed"].endswith("| 90.0% | 20.0% | 0 | 0 | **no** |")
    assert rows["named"].endswith("| yes |")
    assert rows["slandered"].endswith("| **yes** |")
    assert rows["sound"].endswith("| no |")
    assert "Called more robust than they are, and passed: missed." in written


def test_passes_are_shares_of_the_suites(written: str) -> None:
    assert "10.0% on average, 15.0% at most" in written


def test_what_each_check_costs_is_told_by_case_and_by_check(written: str) -> None:
    rows = {**_table(written, "Honest"), **_table(written, "What each check costs")}
    assert "| 1,000 | 5.0% | AUD211 40 |" in rows["sound"]
    assert rows["AUD211"] == "| AUD211 | 1 of 2 | 95 | 150 | 0 of 0 | 0 | 0 |"
    assert rows["AUD221"] == "| AUD221 | 0 of 1 | 10 | 10 | 0 of 0 | 0 | 0 |"


def test_a_page_without_its_marks_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("nothing", encoding="utf-8")
    with pytest.raises(ValueError, match="must hold the lines"):
        page.write([NAMED], {}, "", path)
