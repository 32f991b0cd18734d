from __future__ import annotations

import math

import numpy as np
import pytest

from auditor.formats.views.transfer.shares import beyond, first, pooled
from auditor.result.statistics import wilson


def test_the_same_samples_tried_again_make_nothing_more_certain() -> None:
    once, often = pooled([(30, 100)], 0.95), pooled([(30, 100)] * 7, 0.95)
    assert once is not None
    assert once == often
    assert once.interval == wilson(30, 100)


def test_nothing_tried_is_no_share() -> None:
    assert pooled([], 0.95) is None
    assert pooled([(0, 0), (0, 0)], 0.95) is None


@pytest.mark.parametrize("alike", [0.0, 1.0], ids=["independent", "all the same"])
def test_the_interval_of_several_cells_holds_the_truth_however_they_depend(alike: float) -> None:
    draw = np.random.default_rng(1)
    sizes, share, held = (40, 80, 120), 0.3, 0
    for _ in range(1000):
        common = draw.random(120) < share
        cells = []
        for n in sizes:
            fell = np.where(draw.random(n) < alike, common[:n], draw.random(n) < share)
            cells.append((int(fell.sum()), n))
        found = pooled(cells, 0.95)
        assert found is not None
        held += found.interval[0] <= share <= found.interval[1]
    assert held >= 930


def test_the_highest_is_told_apart_from_what_lies_clearly_below_and_not_from_what_is_near() -> None:
    found = first({"far": [(10, 200)], "near": [(95, 200)], "best": [(100, 200)]}, 0.95)
    assert found is not None
    assert (found.name, found.level, found.others, found.settled) == ("best", ("near",), 2, True)
    assert found.share.value == 0.5


def test_the_lowest_is_found_the_same_way() -> None:
    found = first({"low": [(10, 200)], "near": [(12, 200)], "high": [(100, 200)]}, 0.95, lowest=True)
    assert found is not None
    assert (found.name, found.level) == ("low", ("near",))


def test_nothing_is_settled_among_equals() -> None:
    found = first({name: [(20, 40)] for name in "abc"}, 0.95)
    assert found is not None
    assert not found.settled
    assert first({"a": [(1, 2)]}, 0.95) is None
    assert first({"a": [(1, 2)], "b": [(0, 0)]}, 0.95) is None


def test_more_rivals_ask_for_a_wider_gap() -> None:
    near = {"best": [(66, 100)], "b": [(46, 100)]}
    few = first(near | {"c": [(1, 100)]}, 0.8)
    many = first(near | {f"x{i}": [(1, 100)] for i in range(60)}, 0.8)
    assert few is not None
    assert many is not None
    assert few.level == ()
    assert many.level == ("b",)


def test_a_count_is_above_another_only_where_intervals_say_so() -> None:
    assert beyond([(60, 3, 100), (5, 3, 100), (0, 0, 0), (100, 0, 100)], 0.95) == [True, False, False, True]
    # A difference of 7 in 30 is beyond chance alone, and not among fifty that nothing is the matter with.
    assert beyond([(8, 1, 30)], 0.95) == [True]
    assert beyond([(8, 1, 30)] + [(1, 1, 30)] * 50, 0.95)[0] is False


def test_false_alarms_stay_within_the_error_that_was_allowed() -> None:
    draw, wrong = np.random.default_rng(0), 0
    for _ in range(200):
        fell = draw.binomial(100, 0.1, (20, 2))
        wrong += any(beyond([(int(a), int(b), 100) for a, b in fell], 0.95))
    assert wrong <= 200 * 0.05 + 3.0 * math.sqrt(200 * 0.05 * 0.95)
