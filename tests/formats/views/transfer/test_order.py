from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage, to_tree
from scipy.spatial.distance import squareform

from auditor.formats.views.transfer.order import above_noise, closeness, clustered, kinship, ordered, rows
from tests.formats.transferred import FAMILIES, cell, families, matrix, result


def runs(order: tuple[str, ...]) -> int:
    """How often the family changes on the way through."""
    return sum(FAMILIES[a] != FAMILIES[b] for a, b in itertools.pairwise(order))


def test_families_stand_together_whatever_order_they_came_in() -> None:
    assert runs(tuple(FAMILIES)) == 6
    assert runs(ordered(result(matrix(families())))) == 2


def test_only_what_noise_does_not_explain_counts() -> None:
    assert above_noise(cell("a", "b", 0.5, noise=0.3)) == pytest.approx(0.2)
    assert above_noise(cell("a", "b", 0.1, noise=0.3)) == 0.0
    assert above_noise(cell("a", "b", 0.1).model_copy(update={"noise": None})) == 0.1
    assert above_noise(cell("a", "b", 0.1).model_copy(update={"rate": None})) is None


def test_both_directions_and_all_matrices_make_one_closeness() -> None:
    tried = (("a", "b", 0.5), ("b", "a", 0.1), ("a", "a", 0.9), ("b", "a", 0.3))
    known = closeness(cell(*one, noise=0.0) for one in tried)
    assert known == {frozenset("ab"): pytest.approx(0.3)}


def test_a_model_that_falls_to_everybody_does_not_come_between_two_of_a_kind() -> None:
    rates = {("a", "b"): 0.08, ("b", "a"): 0.07, ("a", "weak"): 0.6, ("b", "weak"): 0.64}
    rates |= {("weak", "a"): 0.02, ("weak", "b"): 0.03}
    direct = {"a": 16, "b": 16, "weak": 196}
    cells = [cell(*pair, rate, noise=0.01, direct=direct[pair[1]]) for pair, rate in rates.items()]
    kin = kinship(cells)
    assert kin[frozenset("ab")] == pytest.approx((14 + 12) / (14 + 14))
    assert max(kin, key=kin.__getitem__) == frozenset("ab")
    assert clustered(("a", "weak", "b"), kin)[1] != "weak"


def test_where_no_attack_reaches_anything_nothing_is_known() -> None:
    assert (
        kinship([cell("a", "b", 0.0, noise=0.0, direct=0), cell("a", "c", 0.5).model_copy(update={"rate": None})]) == {}
    )


@pytest.mark.parametrize("seed", range(5))
def test_every_group_that_scipy_joins_stands_together(seed: int) -> None:
    names = "abcdefghijkl"
    near = np.random.default_rng(seed).random((12, 12))
    near = (near + near.T) / 2.0
    order = clustered(names, {frozenset(names[i] + names[j]): near[i, j] for i in range(12) for j in range(i)})
    place = [order.index(name) for name in names]
    far = 1.0 - near
    np.fill_diagonal(far, 0.0)
    waiting = [to_tree(linkage(squareform(far), "average"))]
    while waiting:
        node = waiting.pop()
        inside = sorted(place[leaf] for leaf in node.pre_order())
        assert inside == list(range(inside[0], inside[0] + len(inside)))
        if not node.is_leaf():
            waiting += [node.left, node.right]


def test_groups_meet_where_they_are_closest() -> None:
    close = {frozenset(pair): rate for pair, rate in {"ab": 0.9, "cd": 0.8, "ad": 0.4, "bc": 0.1, "ac": 0.1}.items()}
    assert clustered("abcd", close) == ("b", "a", "d", "c")


def test_models_of_which_nothing_is_known_are_still_there() -> None:
    assert sorted(clustered("abc", {})) == ["a", "b", "c"]
    assert clustered((), {}) == ()


def test_groups_come_after_models() -> None:
    made = matrix({("a+b", "c"): 0.5, ("c", "a"): 0.5, ("a", "c"): 0.5}, groups={"a+b": ("a", "b")})
    assert rows(made, ("c", "b", "a")) == ("c", "a", "a+b")
