"""Lanes hold a row per search, are picked and replaced by rows, and run alike beside each other or in the engine."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from auditor import Lanes, Norm, Rng, Threat
from auditor.lanes import put


@dataclass(kw_only=True)
class Named(Lanes):
    """With a field and a stream of its own."""

    weight: Tensor
    dice: Rng


def lanes(n: int, first: int = 0) -> Named:
    """Lanes whose every field tells which row it is."""
    numbers = torch.arange(first, first + n)
    x = numbers.float().view(-1, 1, 1).expand(-1, 2, 3).clone()
    begun = Lanes(
        x=x,
        y=numbers.clone(),
        goal=numbers + 10,
        step=numbers + 20,
        rng=Rng.keyed(0, "a", numbers),
        point=x + 0.25,
        closest=x + 0.5,
        margin=-numbers.float(),
    )
    return Named.of(begun, weight=numbers + 30.0, dice=Rng.keyed(0, "b", numbers))


def same(one: Named, other: Named) -> bool:
    tensors = ("x", "y", "goal", "step", "point", "closest", "margin", "weight")
    streams = torch.equal(one.rng.at(one.step).uniform(2), other.rng.at(other.step).uniform(2))
    dice = torch.equal(one.dice.at(one.goal).uniform(2), other.dice.at(other.goal).uniform(2))
    return streams and dice and all(torch.equal(getattr(one, name), getattr(other, name)) for name in tensors)


def test_every_field_and_stream_follows_a_selection() -> None:
    chosen = lanes(6).select(torch.tensor([4, 1]))
    expected = lanes(6)
    assert isinstance(chosen, Named)
    assert chosen.y.tolist() == [4, 1]
    assert chosen.weight.tolist() == [34.0, 31.0]
    for place, row in enumerate((4, 1)):
        assert same(chosen.select(torch.tensor([place])), expected.select(torch.tensor([row])))


def test_a_selection_is_a_copy() -> None:
    whole = lanes(3)
    part = whole.select(torch.tensor([0, 2]))
    part.point.fill_(7.0)
    part.rng.overwrite(torch.tensor([0]), Rng.keyed(9, "z", torch.tensor([9])))
    assert same(whole, lanes(3))


def test_fresh_lanes_take_the_places_they_are_given_and_no_others() -> None:
    pool = lanes(5)
    pool.overwrite(torch.tensor([3, 0]), lanes(2, first=40))
    assert pool.y.tolist() == [41, 1, 2, 40, 4]
    kept, replaced = torch.tensor([1, 2, 4]), torch.tensor([3, 0])
    assert same(pool.select(kept), lanes(5).select(kept))
    assert same(pool.select(replaced), lanes(2, first=40))


def test_the_first_lanes_are_the_lanes_themselves() -> None:
    pool = lanes(5)
    part = pool.first(3)
    assert same(part, lanes(3))
    part.x.fill_(7.0)
    assert (pool.x[:3] == 7.0).all()
    assert not (pool.x[3:] == 7.0).any()


def test_put_changes_the_marked_rows_alone_and_in_place() -> None:
    into, values = torch.zeros(4, 2, 2), torch.arange(16.0).view(4, 2, 2) + 1.0
    where = torch.tensor([False, True, False, True])
    before = into
    put(into, where, values)
    assert before is into
    assert torch.equal(into[where], values[where])
    assert not into[~where].any()
    put(into, torch.zeros(4, dtype=torch.bool), values * 100)
    assert into.max() <= 16.0
    # Where most rows change, the others are what is moved.
    put(into, torch.tensor([True, True, False, True]), values * 100)
    assert torch.equal(into[[0, 1, 3]], 100 * values[[0, 1, 3]])
    assert not into[2].any()
    streams = torch.zeros(4)
    put(streams, where, torch.full((4,), torch.nan))
    assert streams.isnan().tolist() == where.tolist()


def test_what_came_closer_is_noted_where_it_did() -> None:
    pool = lanes(3)
    point = pool.point.clone()
    pool.note(torch.tensor([True, False, True]), torch.tensor([5.0, 6.0, 7.0]))
    assert pool.margin.tolist() == [5.0, -1.0, 7.0]
    assert torch.equal(pool.closest[0], point[0])
    assert torch.equal(pool.closest[1], lanes(3).closest[1])
    pool.point.fill_(9.0)
    assert torch.equal(pool.closest[2], point[2])
    assert pool.inside(Threat(norm=Norm.LINF, eps=0.1)) is None
