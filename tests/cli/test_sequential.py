"""`auditor scan --sequential`."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FLAGS = ("--attack", "fgsm", "--attack", "apgd:steps=5", "--sequential", "--no-escalation")


def record(run: str) -> dict[str, Any]:
    return json.loads((Path(run) / "result.json").read_text())


def test_a_scan_stops_when_its_gates_are_certain_and_says_so_everywhere(
    auditor: Callable, demo: Path, plain: Path, digits: Path
) -> None:
    models = (demo / "hardened.onnx", plain)
    gates = ("--eps", "0.05", "--eps", "0.1", "--min-robust-accuracy", "0.4", "--min-clean-accuracy", "0.5")
    outcome = auditor(
        "scan", *models, "--data", digits, *gates, *FLAGS, "--out", "r", "--format", "json,markdown,html,junit"
    )
    result = record("r")
    assert (outcome.code, result["verdict"]) == (1, "fail")
    assert {gate["corrected_for"] for gate in result["gates"]} == {6}
    assert all(gate["outcome"] != "inconclusive" for gate in result["gates"])
    with Path("r/samples.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for model in result["models"]:
        assert (
            model["clean_accuracy"]
            == sum(r["clean_correct"] == "true" for r in rows if r["model"] == model["name"]) / 1000
        )
        for threat in model["threats"]:
            part = threat["sequential"]
            mine = [r for r in rows if r["model"] == model["name"] and float(r["eps"]) == threat["eps"]]
            assert 0 < part["audited"] < part["of"] == len(mine) == 500
            assert threat["robust_accuracy"] is None
            assert part["robust"] == sum(r["outcome"] == "robust" for r in mine)
            sentence = f"stopped after {part['audited']} of 500 samples, taken in random order"
            for text in (outcome.out, Path("r/summary.md").read_text(), Path("r/junit.xml").read_text()):
                assert sentence in " ".join(text.split())
            assert sentence in Path("r/report.html").read_text()
    assert auditor("verify", "r").code == 0


def test_a_sequential_scan_is_resumed_to_the_same_end(auditor: Callable, plain: Path, digits: Path) -> None:
    run = ("scan", plain, "--data", digits, "--eps", "0.05", *FLAGS, "--min-robust-accuracy", "0.5", "--format", "json")
    first = auditor(*run, "--out", "r")
    before = record("r")
    Path("r/result.json").unlink()
    assert auditor(*run, "--out", "r", "--resume").code == first.code
    after = record("r")
    assert after["gates"] == before["gates"]
    assert after["models"][0]["threats"][0]["sequential"] == before["models"][0]["threats"][0]["sequential"]


def test_verify_refutes_counts_of_a_sequential_scan_that_the_table_does_not_give(
    auditor: Callable, demo: Path, digits: Path
) -> None:
    run = ("scan", demo / "hardened.onnx", "--data", digits, "--eps", "0.1", "--attack", "fgsm", "--sequential")
    auditor(*run, "--min-robust-accuracy", "0.4", "--out", "r", "--format", "json")
    result = record("r")
    result["models"][0]["threats"][0]["sequential"]["robust"] += 1
    Path("r/result.json").write_text(json.dumps(result))
    outcome = auditor("verify", "r")
    assert (outcome.code, "other counts of the samples that were audited" in " ".join(outcome.out.split())) == (1, True)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--sequential",), "--min-robust-accuracy"),
        ((*FLAGS, "--min-robust-accuracy", "0.4", "--max-drop", "0.1"), "Leave --sequential out, with --samples"),
    ],
)
def test_what_a_sequential_scan_needs_and_cannot_do(
    auditor: Callable, plain: Path, digits: Path, flags: tuple[str, ...], said: str
) -> None:
    outcome = auditor("scan", plain, "--data", digits, *flags)
    assert (outcome.code, said in outcome.err) == (2, True)
