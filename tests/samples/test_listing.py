"""Which samples an audit takes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor import DataError, SampleOptions
from auditor.samples.listing import Listing

LABELS = st.lists(st.integers(0, 5), min_size=1, max_size=80)


def _listing(labels: list[int], names: list[str] | None = None) -> Listing:
    return Listing("data", np.array(labels, dtype=np.int64), names)


def _take(listing: Listing, limit: int | None, seed: int = 0) -> list[int]:
    return listing.take(SampleOptions(limit=limit, seed=seed)).tolist()


@given(LABELS, st.integers(1, 100), st.integers(0, 3))
def test_each_class_gets_its_share_to_within_one(labels: list[int], limit: int, seed: int) -> None:
    taken = _take(_listing(labels), limit, seed)
    assert len(taken) == min(limit, len(labels))
    assert taken == sorted(set(taken))
    have, got = Counter(labels), Counter(labels[i] for i in taken)
    share = len(taken) / len(labels)
    assert all(abs(got[label] - have[label] * share) < 1 for label in have)


@given(LABELS, st.integers(1, 50), st.randoms(use_true_random=False))
def test_the_draw_does_not_depend_on_the_order_of_the_files(labels: list[int], limit: int, rng: object) -> None:
    names = [f"file {i}" for i in range(len(labels))]
    order = list(range(len(labels)))
    rng.shuffle(order)  # type: ignore[attr-defined]
    shuffled = _listing([labels[i] for i in order], [names[i] for i in order])
    taken = _take(_listing(labels, names), limit)
    assert {names[i] for i in taken} == {names[order[i]] for i in _take(shuffled, limit)}


def test_seeds_draw_differently_and_reproducibly() -> None:
    listing = _listing([0, 1] * 500)
    assert _take(listing, 100, seed=1) == _take(listing, 100, seed=1)
    assert len(set(_take(listing, 100, seed=1)) & set(_take(listing, 100, seed=2))) < 30


def test_the_draw_is_pinned_between_versions() -> None:
    assert _take(_listing([0, 1, 2] * 10), 6, seed=7) == [3, 14, 17, 18, 19, 28]


def test_a_larger_draw_contains_the_smaller_one_of_balanced_classes() -> None:
    listing = _listing([0, 1, 2, 3] * 50)
    assert set(_take(listing, 40)) < set(_take(listing, 80))


def test_fewer_samples_than_classes_are_spread_over_the_classes() -> None:
    labels = sorted(list(range(100)) * 5)
    taken = [labels[i] for i in _take(_listing(labels), 10)]
    assert len(set(taken)) == 10
    assert max(taken) > 50


def test_equal_names_do_not_share_their_luck() -> None:
    taken = _take(_listing([0] * 1000, ["same"] * 1000), 100)
    assert max(taken) > 800


def test_more_than_there_are_takes_all() -> None:
    assert _take(_listing([0, 1, 1]), 10) == [0, 1, 2]


def test_samples_without_label_are_named_and_not_taken() -> None:
    listing = _listing([0, -1, 1], ["a", "b", "c"])
    assert _take(listing, None) == [0, 2]
    assert [(s.name, s.reason) for s in listing.unlabelled()] == [("b", "has no label")]


def test_data_without_any_label_is_refused() -> None:
    with pytest.raises(DataError, match="2 samples and none of them has a label"):
        _take(_listing([-1, -1]), None)
    with pytest.raises(DataError, match="holds no samples"):
        _take(_listing([]), None)
