"""Flags and configuration become settings, or one sentence that says what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from auditor.configuration import (
    build_settings,
    parse_attack,
    parse_eps,
    parse_threats,
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


def test_several_budgets_and_norms_may_stand_between_commas() -> None:
    apart = parse_threats(["linf", "l2"], ["0.3", "0.1", "l2:4"])
    assert parse_threats(["linf, l2"], ["0.3,0.1", "l2:4"]) == apart
    with pytest.raises(UsageError, match="no number"):
        parse_threats(["linf"], ["0.3,"])


def test_a_budget_can_belong_to_one_norm() -> None:
    threats = parse_threats(["linf", "l2"], ["linf:8/255", "l2:0.5"])
    assert [(t.norm, t.eps) for t in threats] == [("linf", 8 / 255), ("l2", 0.5)]


def test_linf_8_255_is_the_default() -> None:
    assert [(t.norm, t.eps) for t in parse_threats([], [])] == [("linf", 8 / 255)]


def test_a_norm_that_does_not_exist_is_named() -> None:
    with pytest.raises(UsageError, match="l3"):
        parse_threats(["l3"], [])


def test_flags_win_over_the_configuration() -> None:
    made = build_settings({**BASE, "suite": "quick"}, {"suite": "thorough", "seed": 7})
    assert (made.suite, made.seed) == ("quick", 7)


def test_a_switch_that_is_on_by_default_can_be_turned_off_and_one_that_is_off_was_not_said() -> None:
    assert not build_settings({**BASE, "escalation": False}, {}).escalation
    assert build_settings({**BASE, "escalation": None}, {}).escalation
    assert not build_settings({**BASE, "escalation": None}, {"escalation": False}).escalation
    assert build_settings({**BASE, "bpda": False}, {"bpda": True}).bpda


def test_an_unknown_key_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match="min-robust-accuracy"):
        build_settings(BASE, {"min-robust-acuracy": 0.4})


SILLY = {
    "rotation": ("nan", "-5", "500", "abc", True),
    "translation": ("inf", "-1", "far"),
    "eot": ("0", "1.5", "abc"),
    "samples": ("0", "-1", "1.5", "abc", 0),
    "seed": ("-1", "abc", "99999999999999999999999"),
    "batch_size": ("0", "1.5", "abc", "8/255"),
    "preflight_samples": (0, "none"),
    "max_passes": ("0", "-1", "abc"),
    "confidence": ("2", "0", "0.5", "nan", "abc", "95"),
    "tolerance": ("2", "-1", "nan"),
    "min_robust_accuracy": ("2", "nan", "1/0"),
    "max_drop": ("-0.1", "abc"),
    "time_limit": ("-1", "0", "nan", "soon", -1),
    "mean": ("abc", "nan,0,0", "", [0.5, "x"]),
    "std": ("0", "-1,1,1", "abc"),
    "input_range": ("1,0", "0,0", "0", "0,1,2", "a,b", [0]),
    "input_size": ("0", "-1,3", "1,2,3", [0, 5]),
    "layout": ("banana", ""),
    "channel_order": ("grb", ""),
    "precision": ("float16", ""),
    "corruptions": ("fogg", ""),
    "bpda": ("maybe",),
    "mask": (3,),
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in SILLY.items() for value in values])
def test_a_value_that_cannot_be_meant_gets_a_sentence_with_its_flag_and_what_to_write(key: str, value: object) -> None:
    with pytest.raises(UsageError) as caught:
        build_settings({**BASE, "norm": ["spatial", "corruption"]}, {key: value})
    said = str(caught.value)
    assert "Input should" not in said
    assert "input should" not in said
    assert said.endswith(".")
    if key == "corruptions":
        assert "Sets are" in said
    else:
        assert f"--{key.replace('_', '-')} " in said
        assert repr(value) in said


@pytest.mark.parametrize(
    ("key", "value", "meant"),
    [
        ("confidence", "99%", 0.99),
        ("samples", "20", 20),
        ("seed", "9223372036854775807", 2**63 - 1),
        ("batch_size", "auto", None),
        ("rotation", "45/2", 22.5),
        ("translation", 0, 0.0),
        ("time_limit", 90, 90.0),
        ("mean", [0.1, "0.2"], (0.1, 0.2)),
        ("input_range", "-1,1", (-1.0, 1.0)),
        ("input_size", [3, 4], (3, 4)),
        ("constants", {"a": 1.0}, {"a": 1.0}),
    ],
)
def test_a_value_means_the_same_as_text_and_as_number(key: str, value: object, meant: object) -> None:
    made = getattr(build_settings(BASE, {key: value}), key)
    assert made == meant
    assert type(made) is type(meant)


@pytest.mark.parametrize(
    ("key", "norm"), [("rotation", "spatial"), ("translation", "spatial"), ("corruptions", "corruption")]
)
def test_a_flag_about_a_threat_that_is_not_asked_for_is_refused_and_a_file_may_hold_it(key: str, norm: str) -> None:
    value = {"corruptions": "fog"}.get(key, "2")
    with pytest.raises(UsageError, match=f"add --norm {norm}"):
        build_settings({**BASE, key: value}, {})
    assert getattr(build_settings({**BASE, "norm": norm, key: value}, {}), key)
    assert getattr(build_settings(BASE, {key: value}), key)


@pytest.mark.parametrize("attacks", [["pgd", "pgd"], ["pgd:steps=1", "square", "pgd:steps=1"]])
def test_an_attack_that_is_asked_for_twice_is_refused(attacks: list[str]) -> None:
    with pytest.raises(UsageError, match="twice"):
        build_settings({**BASE, "attack": attacks}, {})
    assert len(build_settings({**BASE, "attack": ["pgd", "pgd:steps=1"]}, {}).attacks) == 2


def test_a_parameter_is_given_once() -> None:
    with pytest.raises(UsageError, match="gives steps twice"):
        parse_attack("pgd:steps=1,steps=2")


@pytest.mark.parametrize("models", ["", [], [""]])
def test_an_empty_name_is_no_model(models: object) -> None:
    with pytest.raises(UsageError, match="MODEL"):
        build_settings({"models": models, "data": "d"}, {})


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
