"""`auditor config`, its schema, and audits that a file names."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from auditor.cli.schema import config_schema
from auditor.gate import worst
from auditor.sources import known_keys

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def errors(text: str) -> list[str]:
    """What the schema has against a settings file."""
    return [error.message for error in Draft202012Validator(config_schema()).iter_errors(tomllib.loads(text))]


def two_audits(demo: Path) -> str:
    return (
        f'data = "{demo / "digits.npz"}"\nsamples = 20\nsuite = "quick"\neps = "0.1"\n'
        f'[audits.plain]\nmodels = ["{demo / "plain.onnx"}"]\nmin-robust-accuracy = 0.9\n'
        f'[audits.hard]\nmodels = ["{demo / "hardened.onnx"}"]\neps = ["0.05"]\n'
    )


def test_every_setting_is_shown_with_its_origin(
    auditor: Callable[..., Any], demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "auditor.toml").write_text(two_audits(demo), encoding="utf-8")
    monkeypatch.setenv("AUDITOR_SEED", "7")
    monkeypatch.setenv("COLUMNS", "300")
    told = auditor("config").out.splitlines()
    assert told[0] == "audit plain"
    rows = [line.strip().split(maxsplit=2) for line in told[2 : told.index("audit hard")]]
    assert ["seed", "7", "AUDITOR_SEED"] in rows
    assert ["eps", "0.1", "auditor.toml"] in rows
    assert ["min-robust-accuracy", "0.9", "auditor.toml [audits.plain]"] in rows
    assert "confidence" in auditor("config", "--audit", "hard", "--all").out


def test_what_makes_no_sense_is_told_before_any_scan(auditor: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "auditor.toml").write_text("seed = -4\n", encoding="utf-8")
    told = auditor("config")
    assert told.code == 2
    assert "--seed" in told.err


def test_without_file_and_variables_nothing_is_said(auditor: Callable[..., Any]) -> None:
    assert "no settings file" in auditor("config").out


def test_all_audits_of_a_file_are_made_each_in_a_run_of_its_own_and_the_worst_decides(
    auditor: Callable[..., Any], demo: Path, tmp_path: Path
) -> None:
    (tmp_path / "auditor.toml").write_text(two_audits(demo), encoding="utf-8")
    told = auditor("scan", "--quiet", "--out", "runs")
    assert told.code == 1
    assert [line.partition(":")[0] for line in told.out.splitlines()] == ["audit plain", "fail", "audit hard", "pass"]
    records = [json.loads((tmp_path / "runs" / name / "result.json").read_bytes()) for name in ("plain", "hard")]
    assert [record["settings"]["threats"][0]["eps"] for record in records] == [0.1, 0.05]
    assert auditor("scan", "--quiet", "--audit", "hard", "--out", "again").code == 0
    assert (tmp_path / "again" / "result.json").is_file()


def test_no_audit_begins_before_all_of_them_are_understood(
    auditor: Callable[..., Any], demo: Path, tmp_path: Path
) -> None:
    text = two_audits(demo).replace('["0.05"]', '["far"]')
    (tmp_path / "auditor.toml").write_text(text, encoding="utf-8")
    told = auditor("scan", "--out", "runs")
    assert told.code == 2
    assert not (tmp_path / "runs").exists()


def test_what_could_not_be_audited_counts_most_then_what_failed_then_what_is_open() -> None:
    assert [worst(codes) for codes in ([0, 3, 1, 4], [0, 3, 1], [3, 0], [0])] == [4, 1, 3, 0]


def test_the_schema_takes_what_a_scan_takes() -> None:
    assert errors('models = ["a.onnx"]\n') == []
    assert errors('eps = ["8/255", 0.1]\nnorm = "linf"\ntime-limit = "10m"\nmin-robust-accuracy = "40%"\n') == []
    assert errors('[audits.night]\nmean = "0.5,0.5,0.5"\ninput-size = "224"\n') == []
    assert errors('constants = {state = 0, mask = "mask.npy"}\nformat = ["html", "json"]\n') == []


@pytest.mark.parametrize(
    "text", ["sede = 3", 'norm = "l3"', 'bpda = "yes"', "[audits.a]\nsede = 3", 'precision = "float64"', "models = []"]
)
def test_the_schema_refuses_what_a_scan_refuses(text: str) -> None:
    assert errors(text)


def test_every_setting_stands_in_the_schema_and_says_what_it_is() -> None:
    keys = config_schema()["properties"]
    for name in known_keys() - {"preflight_samples"}:
        assert keys[name.replace("_", "-")].get("description"), name


def test_the_stored_schema_is_what_the_command_prints(auditor: Callable[..., Any]) -> None:
    stored = (REFERENCE / "auditor.schema.json").read_text(encoding="utf-8")
    assert auditor("config", "--schema").out == stored
    Draft202012Validator.check_schema(json.loads(stored))
