"""`auditor selftest`, end to end: what is broken is named, what is sound is left in peace, and both can fail."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def test_failures_are_named_and_the_honest_model_is_left_in_peace(auditor: Callable[..., Any], tmp_path: Path) -> None:
    outcome = auditor("selftest", "shifted-labels", "nan-attack", "linear", "--jobs", 1, "--out", "kept")
    assert outcome.code == 0, outcome.out + outcome.err
    assert "2 of 2 failures named; 1 of 1 honest models left in peace." in outcome.out
    rows = {row["case"]: row for row in json.loads((tmp_path / "kept" / "selftest.json").read_text())}
    assert set(rows) == {"shifted-labels", "nan-attack", "linear"}
    assert rows["shifted-labels"]["raised"]["AUD105"] == "block"
    assert rows["linear"]["reported"] == rows["linear"]["truth"], "M20: distances of a linear model are known exactly"
    assert (tmp_path / "kept" / "linear" / "result.json").is_file()


def test_without_the_checks_nothing_is_named(auditor: Callable[..., Any]) -> None:
    outcome = auditor("selftest", "shifted-labels", "--without", "checks", "--quiet")
    assert outcome.code == 1
    assert "not named: shifted-labels, labels one too high" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("no-such-case",), "The self-test has no case 'no-such-case'"),
        (("linear", "--jobs", "0"), "--jobs takes a whole number from 1 on."),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(
    auditor: Callable[..., Any], arguments: tuple[str, ...], said: str
) -> None:
    outcome = auditor("selftest", *arguments)
    assert outcome.code == 2
    assert said in outcome.err
