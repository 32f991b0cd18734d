"""What a settings file and the environment say, and which of them wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditor.errors import UsageError
from auditor.sources import ConfigFile

FILE = """\
data = "images"
suite = "quick"
seed = 1

[audits.nightly]
suite = "standard"
min-robust-accuracy = 0.4

[audits.release]
model = ["a.onnx"]
"""


@pytest.fixture
def file(tmp_path: Path) -> ConfigFile:
    (tmp_path / "auditor.toml").write_text(FILE, encoding="utf-8")
    return ConfigFile.read(tmp_path / "auditor.toml")


def values(file: ConfigFile, audit: str = "", **environ: str) -> dict[str, object]:
    return {key: said.value for key, said in file.said(audit, environ).items()}


def test_the_file_is_auditor_toml_or_a_table_of_pyproject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert ConfigFile.read(None) == ConfigFile()
    (tmp_path / "pyproject.toml").write_text("[tool.auditor]\nseed = 3\n[tool.auditor.audits.night]\nseed = 5\n")
    read = ConfigFile.read(None)
    assert (values(read), values(read, "night")) == ({"seed": 3}, {"seed": 5})
    (tmp_path / "auditor.toml").write_text("seed = 4\n")
    assert values(ConfigFile.read(None)) == {"seed": 4}
    with pytest.raises(UsageError, match=r"absent\.toml"):
        ConfigFile.read(tmp_path / "absent.toml")


def test_broken_toml_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "auditor.toml"
    path.write_text("seed = = 4")
    with pytest.raises(UsageError, match="no TOML"):
        ConfigFile.read(path)


def test_an_audit_wins_over_the_file_and_the_environment_over_both(file: ConfigFile) -> None:
    assert values(file) == {"data": "images", "suite": "quick", "seed": 1}
    assert values(file, "nightly")["suite"] == "standard"
    assert values(file, "nightly", AUDITOR_SUITE="thorough")["suite"] == "thorough"
    assert values(file, "release")["models"] == ["a.onnx"]


def test_each_value_says_where_it_comes_from(file: ConfigFile) -> None:
    told = {key: said.origin for key, said in file.said("nightly", {"AUDITOR_SEED": "7"}).items()}
    assert told["data"].endswith("auditor.toml")
    assert told["suite"].endswith("auditor.toml [audits.nightly]")
    assert told["seed"] == "AUDITOR_SEED"


def test_all_audits_are_made_unless_some_are_named_or_the_command_names_models(file: ConfigFile) -> None:
    assert file.chosen((), models=False) == ("nightly", "release")
    assert file.chosen(("release",), models=False) == ("release",)
    assert file.chosen((), models=True) == ("",)
    assert ConfigFile().chosen((), models=False) == ("",)
    with pytest.raises(UsageError, match="nightly, release"):
        file.chosen(("weekly",), models=False)
    with pytest.raises(UsageError, match="holds none"):
        ConfigFile().chosen(("weekly",), models=False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sedd = 3\n", r"no key 'sedd'\. Did you mean 'seed'"),
        ("[audits.a]\nsuit = 'quick'\n", r"\[audits\.a\] has no key 'suit'\. Did you mean 'suite'"),
        ("audit = 3\n", "Did you mean 'audits'"),
        ("audits = 3\n", r"\[audits\.NAME\]"),
        ("[audits]\nseed = 3\n", r"\[audits\.NAME\]"),
        ("[audits.'../up']\nseed = 3\n", "no name for an audit"),
    ],
)
def test_what_a_file_cannot_mean_is_told_with_what_it_may(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "auditor.toml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=said):
        ConfigFile.read(tmp_path / "auditor.toml")


@pytest.mark.parametrize(
    ("name", "text", "key", "value"),
    [
        ("AUDITOR_NORM", "linf, l2", "norm", ["linf", "l2"]),
        ("AUDITOR_EPS", "2/255\n8/255\n", "eps", ["2/255", "8/255"]),
        ("AUDITOR_MODELS", "a b.onnx\nc.onnx", "models", ["a b.onnx", "c.onnx"]),
        ("AUDITOR_ATTACK", "pgd:steps=5,restarts=2\nsquare", "attack", ["pgd:steps=5,restarts=2", "square"]),
        ("AUDITOR_MEAN", "0.1,0.2,0.3", "mean", "0.1,0.2,0.3"),
        ("AUDITOR_BPDA", "yes", "bpda", True),
        ("AUDITOR_ESCALATION", "off", "escalation", False),
        ("AUDITOR_TIME_LIMIT", "10m", "time_limit", "10m"),
        ("AUDITOR_FORMAT", "html,json", "format", "html,json"),
        ("AUDITOR_QUIET", "1", "quiet", True),
    ],
)
def test_variables_say_what_a_file_would(name: str, text: str, key: str, value: object) -> None:
    assert values(ConfigFile(), **{name: text}) == {key: value}


def test_an_empty_variable_says_nothing() -> None:
    assert values(ConfigFile(), AUDITOR_EPS=" ", AUDITOR_PLUGINS="a", AUDITOR_NO_PLUGINS="1") == {}


def test_a_variable_that_is_all_but_a_key_is_a_slip_and_what_is_far_from_any_is_somebody_elses() -> None:
    with pytest.raises(UsageError, match=r"AUDITOR_MIN_ROBUST_ACURACY.*'min-robust-accuracy'"):
        values(ConfigFile(), AUDITOR_MIN_ROBUST_ACURACY="0.4")
    with pytest.raises(UsageError, match="true or false"):
        values(ConfigFile(), AUDITOR_BPDA="maybe")
    assert values(ConfigFile(), AUDITOR_XQZ_URL="https://example.org") == {}
