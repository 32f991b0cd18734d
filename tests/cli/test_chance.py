"""A model that answers at random, from the scan to its verification."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from auditor.result.samples_csv import read_rows
from tests.cli.conftest import Outcome

Auditor = Callable[..., Outcome]

NOISY = "auditor.selftest.chance:noisy_input"


@pytest.fixture(scope="module")
def digits_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from auditor.selftest.data import write

    return write("digits", tmp_path_factory.mktemp("data"))


def test_a_random_model_is_audited_in_expectation_and_its_examples_hold_once_more(
    auditor: Auditor, digits_file: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    scanned = auditor(
        *f"scan {NOISY} --trust --data {digits_file} --samples 40 --eps 0.1 --attack pgd:steps=5 --no-escalation "
        f"--min-robust-accuracy 0.01 --out {run}".split()
    )
    record = json.loads((run / "result.json").read_text())
    (model,) = record["models"]
    (threat,) = model["threats"]
    assert [f["severity"] for f in model["findings"] if f["code"] == "AUD108"] == ["warn"]
    assert model["draws"] == 20
    found = threat["expectation"]
    assert found["any"] < found["mean"]
    assert found["any"] <= found["majority"] <= model["clean_accuracy"]
    assert abs(found["majority"] - threat["robust_accuracy"]) <= 0.1
    assert found["interval"][0] < found["mean"] < found["interval"][1]
    assert model["expectation"]["mean"] > found["mean"]
    rows = list(read_rows(run / "samples.csv"))
    assert all(row.fooled_draws is not None for row in rows)
    # Every question was averaged over 20 answers, and each of them is counted.
    assert threat["attacks"][0]["forwards"] % 20 == 0
    assert "a sample falls where most of 20 fresh ones are wrong" in " ".join((scanned.out + scanned.err).split())
    assert auditor("verify", run, "--trust").code == 0


def test_a_mean_that_the_samples_do_not_give_is_noticed(auditor: Auditor, digits_file: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    flags = f"--trust --data {digits_file} --samples 6 --eps 0.05 --attack fgsm --eot 2 --no-escalation --out {run}"
    auditor("scan", NOISY, *flags.split())
    path = run / "result.json"
    record = json.loads(path.read_text())
    assert record["models"][0]["draws"] == 20
    record["models"][0]["threats"][0]["expectation"]["mean"] = 0.999
    path.write_text(json.dumps(record))
    outcome = auditor("verify", run, "--trust")
    assert outcome.code != 0
    assert "mean over draws" in " ".join((outcome.out + outcome.err).split())


def test_what_was_drawn_stays_drawn_and_a_sequential_scan_audits_everybody(
    auditor: Auditor, digits_file: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    flags = f"--trust --data {digits_file} --samples 12 --eps 0.1 --attack pgd:steps=2 --no-escalation --out {run}"
    gate = "--sequential --min-robust-accuracy 0.01"
    auditor("scan", NOISY, *flags.split(), *gate.split())
    (model,) = json.loads((run / "result.json").read_text())["models"]
    (threat,) = model["threats"]
    # The draws' variance is in no interval that holds however often one looks.
    assert threat["sequential"] is None
    assert threat["robust_accuracy"] is not None
    (run / "result.json").unlink()
    auditor("scan", NOISY, *flags.split(), *gate.split(), "--resume")
    (again,) = json.loads((run / "result.json").read_text())["models"]
    assert again["threats"][0]["expectation"] == threat["expectation"]
    assert again["expectation"] == model["expectation"]
