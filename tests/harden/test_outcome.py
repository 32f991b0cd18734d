"""The result in a sentence: what rose or fell beyond chance, and what did not."""

from __future__ import annotations

from typing import Any

import pytest

from auditor.harden.outcome import sentence
from auditor.result.comparison import drop_of


def flipped(n: int, lost: int, gained: int) -> dict[str, Any]:
    """A paired comparison of `n` samples, half of which stood before."""
    flags = [(True, False)] * lost + [(False, True)] * gained
    stayed = n - len(flags)
    flags += [(True, True)] * (stayed // 2) + [(False, False)] * (stayed - stayed // 2)
    return drop_of(flags, 0.95).model_dump(mode="json")


def record(clean: dict[str, Any], robust: dict[str, Any], other: dict[str, Any], *, helped: bool) -> dict[str, Any]:
    threats = [
        {"norm": "linf", "eps": 0.1, "seen": True, "change": robust},
        {"norm": "l2", "eps": 0.7, "seen": False, "change": other},
    ]
    return {"clean": {"change": clean}, "threats": threats, "flattered": None, "helped": helped}


@pytest.mark.parametrize(
    ("clean", "said"),
    [
        (flipped(40, 0, 2), "clean accuracy changed by +5.0 points, no more than chance."),
        (flipped(400, 40, 0), "clean accuracy changed by -10.0 points."),
        (flipped(400, 0, 40), "clean accuracy changed by +10.0 points."),
    ],
)
def test_a_change_of_clean_accuracy_is_one_only_beyond_chance(clean: dict[str, Any], said: str) -> None:
    told = sentence(record(clean, flipped(100, 0, 30), flipped(100, 1, 1), helped=True))
    assert told == f"It helped: robust accuracy rose by 30.0 points under the threat that was trained for; {said}"


def test_what_did_not_help_or_harmed_elsewhere_is_said() -> None:
    told = sentence(record(flipped(40, 1, 1), flipped(100, 2, 2), flipped(100, 30, 0), helped=False))
    assert told.startswith("It did not help: robust accuracy changed by +0.0 points, no more than chance;")
    assert told.endswith("It got worse under l2 0.7, which it never trained for.")


def test_a_model_that_got_worse_is_not_said_to_differ_by_chance() -> None:
    told = sentence(record(flipped(40, 1, 1), flipped(100, 30, 0), flipped(100, 1, 1), helped=False))
    assert told.startswith("It did not help: robust accuracy fell by 30.0 points under the threat")


def test_a_rise_that_chance_explains_leaves_open_whether_it_helped() -> None:
    told = sentence(record(flipped(40, 1, 1), flipped(57, 2, 10), flipped(100, 1, 1), helped=False))
    rise = "robust accuracy rose by 14.0 points, no more than chance explains;"
    assert told.startswith(f"Whether it helped cannot be told: {rise}")


RISE, FALL, CHANCE = flipped(100, 0, 30), flipped(100, 30, 0), flipped(40, 1, 5)


@pytest.mark.parametrize(
    ("flattered", "change", "verdict"),
    [
        ("before", RISE, "It helped: robust accuracy changed by +30.0 points"),
        ("before", FALL, "Whether it helped cannot be told: robust accuracy changed by -30.0 points"),
        ("before", CHANCE, "Whether it helped cannot be told: robust accuracy changed by +10.0 points"),
        ("after", RISE, "Whether it helped cannot be told: robust accuracy changed by +30.0 points"),
        ("after", FALL, "It did not help: robust accuracy changed by -30.0 points"),
        ("after", CHANCE, "Whether it helped cannot be told: robust accuracy changed by +10.0 points"),
    ],
)
def test_where_one_was_attacked_without_gradients_a_difference_in_its_favour_is_no_finding(
    flattered: str, change: dict[str, Any], verdict: str
) -> None:
    helped = flattered == "before" and change is RISE
    told = sentence(record(flipped(40, 1, 1), change, FALL, helped=helped) | {"flattered": flattered})
    assert told.startswith(verdict)
    other = {"before": "after", "after": "before"}[flattered]
    assert f"the model {flattered} training was attacked without its gradients, the one {other} with them;" in told
    # What fell elsewhere may only have been attacked better.
    assert ("It got worse under l2 0.7" in told) == (flattered == "after")
