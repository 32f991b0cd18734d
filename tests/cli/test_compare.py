"""`auditor compare` where the smallest changes were looked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.formats.beyond import write_beyond


def test_smallest_changes_are_compared_sample_by_sample(auditor: Callable, tmp_path: Path) -> None:
    soft, hard = write_beyond(tmp_path / "soft", ("soft",)), write_beyond(tmp_path / "hard", ("hard",))
    worse = auditor("compare", hard, soft)
    assert worse.code == 1
    line = next(line for line in worse.out.splitlines() if "smallest l2" in line)
    assert line.split()[-6:] == ["0.5", "36", "0", "36", "2e-10", "worse"]
    better = auditor("compare", soft, hard)
    assert better.code == 0
    line = next(line for line in better.out.splitlines() if "smallest l2" in line)
    assert line.split()[-6:] == ["2", "0", "36", "36", "2e-10", "better"]


def test_runs_of_smallest_changes_alone_can_be_compared(auditor: Callable, tmp_path: Path) -> None:
    run = write_beyond(tmp_path / "run", ("soft",))
    same = auditor("compare", run, run)
    assert same.code == 0
    assert "same" in same.out


def test_a_scan_says_how_its_smallest_changes_differ_from_the_baseline(
    auditor: Callable, plain: Path, demo: Path, digits: Path
) -> None:
    quick = ("--data", digits, "--norm", "l2", "--eps", "auto", "--attack", "ddn:steps=10", "--samples", 20)
    auditor("scan", plain, *quick, "--out", "before", "--format", "json")
    auditor("scan", plain, *quick, "--out", "after", "--format", "html,markdown", "--baseline", "before")
    (model,) = json.loads(Path("after/result.json").read_text())["models"]
    change = model["threats"][0]["change"]
    assert (change["n"], change["smaller"], change["larger"], change["ratio"]) == (20, 0, 0, 1.0)
    (finding,) = (found for found in model["findings"] if found["code"] == "AUD306")
    assert finding["severity"] == "info"
    assert "smallest l2: median" in finding["detail"]
    assert "since the baseline: median" in Path("after/summary.md").read_text()
