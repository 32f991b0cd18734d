"""Values of settings are read from texts as people write them."""

from __future__ import annotations

import pytest

from auditor.errors import UsageError
from auditor.values import Amount, converted, parse_duration, parse_size


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


def test_bounds_are_part_of_what_is_allowed_unless_they_are_open() -> None:
    closed, opened = Amount("x", 0.0, 1.0), Amount("x", 0.0, 1.0, above=True, below=True)
    assert [closed.value(v) for v in (0, "1", -0.1, 1.1)] == [0.0, 1.0, None, None]
    assert [opened.value(v) for v in (0, "1", "1/2")] == [None, None, 0.5]


def test_a_per_cent_sign_belongs_to_shares() -> None:
    assert Amount("x", 0.0, share=True).value("40%") == 0.4
    assert Amount("x", 0.0).value("40%") is None


def test_whole_numbers_keep_all_their_digits() -> None:
    assert Amount("x", 0, whole=True).value(str(2**53 + 1)) == 2**53 + 1
    assert Amount("x", 0, whole=True).value("2.5") is None


def test_every_value_that_has_no_meaning_gets_a_sentence_of_its_own() -> None:
    values, problems = converted({"samples": "0", "seed": 3, "std": "0", "data": "d"})
    assert values == {"seed": 3}
    assert problems == [
        "--samples is a whole number, at least 1, such as 100, not '0'.",
        "--std is a number above 0 for each channel, such as 0.229,0.224,0.225, not '0'.",
    ]


@pytest.mark.parametrize("key", ["samples", "batch_size", "mean", "input_size", "min_robust_accuracy", "time_limit"])
@pytest.mark.parametrize("given", ["9" * 400, 10**400])
def test_numbers_that_no_float_can_hold_get_a_sentence(key: str, given: object) -> None:
    values, problems = converted({key: given})
    assert (values, len(problems)) == ({}, 1)
    assert problems[0].startswith(f"--{key.replace('_', '-')} ")
