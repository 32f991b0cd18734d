from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.formats import words


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.4213, "42.1%"), (1.0, "100.0%"), (0.0, "0.0%"), (0.9999, ">99.9%"), (0.0001, "<0.1%"), (0.9994, "99.9%")],
)
def test_only_all_is_a_hundred_percent_and_only_none_is_zero(share: float, text: str) -> None:
    assert words.percent(share) == text


@pytest.mark.parametrize(
    ("norm", "eps", "text"),
    [
        ("linf", 8 / 255, "8/255"),
        ("linf", 0.03137255, "8/255"),
        ("linf", 0.1, "0.1"),
        ("linf", 0.2, "0.2"),
        ("linf", 0.0123456, "0.01235"),
        ("l2", 8 / 255, "0.03137"),
        ("l2", 0.5, "0.5"),
        ("l0", 24.0, "24"),
        ("l0", 150528.0, "150528"),
        ("l0", 4.5, "4.5"),
        ("patch", 0.05, "5%"),
        ("patch", 49 / 1024, "4.79%"),
        ("flow", 1.0, "1 px"),
        ("flow", 0.5754, "0.575 px"),
        ("spatial", 0.5, "0.5"),
    ],
)
def test_a_budget_is_written_as_the_user_would(norm: str, eps: float, text: str) -> None:
    assert words.budget(norm, eps) == text


def test_a_spatial_budget_is_a_share_of_the_limits_that_the_run_had() -> None:
    limits = {"rotation": 30.0, "translation": 3.0}
    assert words.threat("spatial", 1.0, limits) == "spatial 1 (30°, 3 px)"
    assert words.threat("spatial", 0.5, limits) == "spatial 0.5 (15°, 1.5 px)"
    assert words.threat("spatial", 0.5) == words.threat("spatial", 0.5, {"seed": 1}) == "spatial 0.5"
    assert words.threat("linf", 0.1, limits) == "linf 0.1"


@pytest.mark.parametrize(
    ("norm", "text"),
    [
        ("l2", "l2 budget"),
        ("flow", "flow budget (pixels)"),
        ("patch", "patch budget (share of the picture)"),
        ("spatial", "spatial budget (share of 30°, 3 px)"),
    ],
)
def test_an_axis_says_its_unit(norm: str, text: str) -> None:
    assert words.axis(norm, {"rotation": 30.0, "translation": 3.0}) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (4320, "1 h 12 min")],
)
def test_seconds_are_written_in_the_unit_that_fits(value: float, text: str) -> None:
    assert words.seconds(value) == text


@pytest.mark.parametrize(("number", "text"), [(1, "1 pass"), (0, "0 passes"), (1234, "1,234 passes")])
def test_counts_agree_with_their_noun(number: int, text: str) -> None:
    assert words.count(number, "pass") == text


@given(st.text(max_size=60), st.integers(2, 30))
def test_a_shortened_name_keeps_its_ends_and_its_length(name: str, most: int) -> None:
    short = words.short(name, most)
    assert len(short) <= most
    assert short == name or ((short[0] == name[0] or most == 2) and "…" in short)


@given(st.text())
def test_printable_text_holds_nothing_that_drives_a_terminal_or_turns_a_line(text: str) -> None:
    driving = {chr(c) for c in (*range(32), *range(127, 160), 0x2028, 0x2029, *range(0x202A, 0x202F), 0x200F)}
    assert not driving & set(words.printable(text))


def test_names_in_other_scripts_stay_as_they_are() -> None:
    assert words.printable("שלום Grüße 猫 👩‍🚀") == "שלום Grüße 猫 👩‍🚀"


@pytest.mark.parametrize(("label", "name"), [(1, "dog"), (7, "7"), (-1, "-1"), (None, "")])
def test_a_class_without_a_name_goes_by_its_number(label: int | None, name: str) -> None:
    assert words.class_name(label, ("cat", "dog")) == name
