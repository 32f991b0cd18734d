"""Flags and configuration become settings, or one sentence that says what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from auditor.configuration import (
    build_settings,
    parse_attack,
    parse_duration,
    parse_eps,
    parse_size,
    parse_threats,
    read_config,
)
from auditor.errors import UsageError
from auditor.types import Norm

BASE: dict[str, Any] = {"models": ["m.onnx"], "data": "d"}


def test_a_budget_may_be_a_fraction() -> None:
    assert parse_eps("8/255", Norm.LINF) == 8 / 255


@pytest.mark.parametrize("text", ["0", "-0.1", "nan", "inf", "eight", "8/0", ""])
def test_a_budget_that_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_eps(text, Norm.LINF)


def test_eps_8_is_answered_with_8_255() -> None:
    with pytest.raises(UsageError, match=r"Did you mean 8/255"):
        parse_eps("8", Norm.LINF)


def test_a_large_budget_is_fine_where_distances_add_up() -> None:
    assert parse_eps("12", Norm.L1) == 12.0


def test_an_l0_budget_counts_entries() -> None:
    assert parse_eps("24", Norm.L0) == 24.0
    for text in ("0.5", "8/255", "2.5"):
        with pytest.raises(UsageError, match="whole number"):
            parse_eps(text, Norm.L0)


def test_every_norm_meets_every_budget() -> None:
    threats = parse_threats(["linf", "l2"], ["0.3", "0.1"])
    assert [(t.norm, t.eps) for t in threats] == [("linf", 0.3), ("linf", 0.1), ("l2", 0.3), ("l2", 0.1)]


def test_a_budget_can_belong_to_one_norm() -> None:
    threats = parse_threats(["linf", "l2"], ["linf:8/255", "l2:0.5"])
    assert [(t.norm, t.eps) for t in threats] == [("linf", 8 / 255), ("l2", 0.5)]


def test_linf_8_255_is_the_default() -> None:
    assert [(t.norm, t.eps) for t in parse_threats([], [])] == [("linf", 8 / 255)]


def test_a_norm_that_does_not_exist_is_named() -> None:
    with pytest.raises(UsageError, match="l3"):
        parse_threats(["l3"], [])


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("0.5h", 1800)])
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5m", "0", "10x"])
def test_no_durations(text: str) -> None:
    with pytest.raises(UsageError):
        parse_duration(text)


def test_sizes() -> None:
    assert parse_size("224") == parse_size("224,224") == parse_size("224x224") == (224, 224)
    with pytest.raises(UsageError):
        parse_size("0,224")


def test_flags_win_over_the_configuration() -> None:
    made = build_settings({**BASE, "suite": "quick"}, {"suite": "thorough", "seed": 7})
    assert (made.suite, made.seed) == ("quick", 7)


def test_an_unknown_key_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match="min-robust-accuracy"):
        build_settings(BASE, {"min-robust-acuracy": 0.4})


def test_several_mistakes_are_all_named() -> None:
    with pytest.raises(UsageError) as caught:
        build_settings({**BASE, "layout": "hwc", "confidence": 2.0}, {})
    assert "layout" in str(caught.value)
    assert "confidence" in str(caught.value)


def test_shares_may_be_percentages_and_nothing_above_one() -> None:
    assert build_settings({**BASE, "min_robust_accuracy": "40%"}, {}).min_robust_accuracy == 0.4
    with pytest.raises(UsageError, match="share"):
        build_settings({**BASE, "min_robust_accuracy": "40"}, {})


@pytest.mark.parametrize("missing", ["models", "data"])
def test_a_scan_needs_a_model_and_data(missing: str) -> None:
    with pytest.raises(UsageError):
        build_settings({key: value for key, value in BASE.items() if key != missing}, {})


def test_the_configuration_is_auditor_toml_or_a_table_of_pyproject(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_config(None) == {}
    (tmp_path / "pyproject.toml").write_text("[tool.auditor]\nseed = 3\n")
    assert read_config(None) == {"seed": 3}
    (tmp_path / "auditor.toml").write_text("seed = 4\n")
    assert read_config(None) == {"seed": 4}
    with pytest.raises(UsageError, match=r"absent\.toml"):
        read_config(tmp_path / "absent.toml")


def test_broken_toml_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "auditor.toml"
    path.write_text("seed = = 4")
    with pytest.raises(UsageError, match="no TOML"):
        read_config(path)


@pytest.mark.parametrize(
    ("text", "name", "parameters"),
    [
        ("pgd", "pgd", {}),
        ("pgd:", "pgd", {}),
        ("pgd:steps=3,step-size=0.1", "pgd", {"steps": "3", "step_size": "0.1"}),
        ("foolbox:LinfPGD", "foolbox:LinfPGD", {}),
        ("foolbox:LinfPGD:steps=20,rel_stepsize=0.1", "foolbox:LinfPGD", {"steps": "20", "rel_stepsize": "0.1"}),
    ],
)
def test_an_attacks_name_may_hold_colons_of_its_own(text: str, name: str, parameters: dict[str, str]) -> None:
    attack = parse_attack(text)
    assert (attack.name, attack.parameters) == (name, parameters)
