"""Ensembles: all others together for every target, and ever larger groups while they get worse."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from auditor.engine.transfer.groups import ordered
from tests.engine.conftest import Memory, gray
from tests.engine.transfer.models import LABELS, VALUES, Pixels, Shelf, cell, measured, settings


@pytest.fixture
def samples() -> Memory:
    return Memory(gray(VALUES), torch.tensor(LABELS))


def test_together_sources_move_what_each_alone_leaves(samples: Memory, tmp_path: Path) -> None:
    shelf = Shelf({"all": Pixels(), **{f"p{at}": Pixels([at]) for at in range(4)}})
    (matrix,) = measured(shelf, samples, tmp_path, settings("mifgsm", ensemble=True)).matrices
    # One pixel of four moves the mean by 0.05, two by 0.1, four by 0.2, which is the budget.
    assert [cell(matrix, f"p{at}", "all").fooled for at in range(4)] == [2, 2, 2, 2]
    alone, everyone = cell(matrix, "p0", "all"), cell(matrix, "all but all", "all")
    assert (alone.fooled, everyone.fooled, everyone.among, everyone.direct) == (2, 6, 8, 6)
    source = next(source for source in matrix.sources if source.name == "all but all")
    assert source.members == ("p0", "p1", "p2", "p3")


def test_groups_are_no_larger_than_they_need_be(samples: Memory, tmp_path: Path) -> None:
    shelf = Shelf({"victim": Pixels(), "twin": Pixels(), "p0": Pixels([0]), "p1": Pixels([1])})
    (matrix,) = measured(shelf, samples, tmp_path, settings("mifgsm", ensemble=True)).matrices
    pairs = {source.name for source in matrix.sources if len(source.members) == 2}
    against = [one.source for one in matrix.cells if one.source in pairs and one.target == "victim"]
    # The twin alone reaches the ceiling, so one pair is tried and nothing larger but all others.
    assert len(against) == 1
    assert cell(matrix, "twin", "victim").rate == 0.75


def test_an_ensemble_has_a_cell_for_its_targets_alone(samples: Memory, tmp_path: Path) -> None:
    shelf = Shelf({name: Pixels([at]) for at, name in enumerate("abc")})
    (matrix,) = measured(shelf, samples, tmp_path, settings("mifgsm", ensemble=True)).matrices
    pairs = [(one.source, one.target) for one in matrix.cells if one.source.startswith("all but")]
    assert pairs == [("all but a", "a"), ("all but b", "b"), ("all but c", "c")]


def test_the_examples_of_a_group_are_of_samples_that_all_members_have_right(samples: Memory, tmp_path: Path) -> None:
    shelf = Shelf({"a": Pixels(), "b": Pixels(shift=0.05), "c": Pixels(shift=-0.05)})
    (matrix,) = measured(shelf, samples, tmp_path, settings("mifgsm", ensemble=True)).matrices
    assert cell(matrix, "all but a", "a").among == 6


def test_two_models_make_no_ensemble(samples: Memory, tmp_path: Path) -> None:
    (matrix,) = measured(
        Shelf({"a": Pixels(), "b": Pixels()}), samples, tmp_path, settings("mifgsm", ensemble=True)
    ).matrices
    assert [source.name for source in matrix.sources] == ["a", "b"]


def test_what_an_ensemble_did_is_done_no_more(samples: Memory, tmp_path: Path) -> None:
    def passes() -> int:
        shelf = Shelf({name: Pixels([at]) for at, name in enumerate("abc")})
        known = shelf.contenders(samples)
        for network in shelf.networks.values():
            network.seen = 0
        measured(shelf, samples, tmp_path, settings("mifgsm", ensemble=True), contenders=known)
        return sum(network.seen for network in shelf.networks.values())

    assert passes() > 0
    assert passes() == 0


@pytest.mark.parametrize(
    ("fell", "order"),
    [
        ({"a": {1}, "b": {1, 2, 3}, "c": {4, 5}}, ["b", "c", "a"]),
        # The second best alone adds nothing to the best.
        ({"a": {1, 2, 3}, "b": {1, 2}, "c": {9}}, ["a", "c", "b"]),
        ({"a": set(), "b": set()}, ["a", "b"]),
        ({}, []),
    ],
)
def test_at_each_turn_comes_the_source_that_adds_most(fell: dict[str, set[int]], order: list[str]) -> None:
    assert ordered(fell) == order
