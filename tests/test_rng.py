"""Random numbers belong to samples: the same wherever, whenever and with whomever they are drawn."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from auditor.rng import Rng

INDICES = torch.arange(6)
MASK = (1 << 64) - 1


def streams(seed: int = 0, name: str = "attack", indices: torch.Tensor = INDICES) -> Rng:
    return Rng.keyed(seed, name, indices)


def splitmix(state: int) -> int:
    """SplitMix64's finaliser in Python's own integers."""
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
    return state ^ (state >> 31)


def test_a_stream_is_splitmix64_seeded_with_its_key() -> None:
    keys = [0, 1, 12345, MASK, 1 << 63]
    signed = torch.tensor([key - (1 << 64) if key >> 63 else key for key in keys])
    golden = 0x9E3779B97F4A7C15
    rng = Rng(signed)
    for drawn in (0, 3):
        numbers = [[splitmix((key + golden * (drawn + place + 1)) & MASK) for place in range(3)] for key in keys]
        assert rng.uniform(3).tolist() == [[(number >> 40) / 2**24 for number in row] for row in numbers]


def test_reference_value_of_the_first_splitmix_output() -> None:
    # First output for state 0, as printed by the reference implementation.
    assert splitmix(0x9E3779B97F4A7C15) == 0xE220A8397B1DCDAF


@pytest.mark.parametrize("draw", ["uniform", "normal", "signs"])
def test_what_a_sample_is_dealt_does_not_depend_on_the_batch(draw: str) -> None:
    whole = getattr(streams(), draw)(3, 4)
    some = torch.tensor([4, 1])
    assert torch.equal(getattr(streams(indices=some), draw)(3, 4), whole[some])
    assert torch.equal(getattr(streams().select(some), draw)(3, 4), whole[some])


def test_a_part_keeps_its_streams_where_other_samples_take_the_place_of_these() -> None:
    rng = streams()
    part = rng.fork("part")
    rng.overwrite(torch.arange(2), streams(indices=torch.tensor([40, 41])))
    assert torch.equal(part.uniform(3), streams().fork("part").uniform(3))
    assert not torch.equal(rng.fork("part").uniform(3), streams().fork("part").uniform(3))


def test_draws_follow_each_other_and_repeat_from_the_start() -> None:
    rng, again = streams(), streams()
    first, second = rng.uniform(5), rng.uniform(5)
    assert not torch.equal(first, second)
    assert torch.equal(first, again.uniform(5))
    assert torch.equal(second, again.uniform(5))


def test_a_selection_advances_the_streams_it_was_taken_from() -> None:
    rng, other = streams(), streams()
    rng.select(torch.tensor([0])).uniform(2)
    other.uniform(2)
    assert torch.equal(rng.uniform(2), other.uniform(2))


def test_seed_name_sample_and_fork_each_give_other_numbers() -> None:
    rows = [
        streams().uniform(8),
        streams(seed=1).uniform(8),
        streams(name="other").uniform(8),
        streams().fork("part").uniform(8),
        streams().fork("another part").uniform(8),
    ]
    values = torch.cat(rows)
    assert len(values.unique(dim=0)) == len(values)


def test_a_fork_does_not_depend_on_what_was_drawn_before() -> None:
    rng = streams()
    rng.uniform(100)
    assert torch.equal(rng.fork("part").uniform(4), streams().fork("part").uniform(4))


def test_global_random_state_is_neither_read_nor_changed() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = streams().normal(4)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(streams().normal(4), first)


@pytest.mark.parametrize(
    ("draw", "distribution"),
    [
        (lambda rng: rng.uniform(5000), stats.uniform()),
        (lambda rng: rng.uniform(5000, low=-3.0, high=2.0), stats.uniform(-3.0, 5.0)),
        (lambda rng: rng.normal(5000), stats.norm()),
    ],
    ids=["uniform", "scaled", "normal"],
)
def test_draws_are_distributed_as_named(draw: object, distribution: object) -> None:
    values = draw(streams())  # type: ignore[operator]
    assert values.dtype == torch.float32
    assert stats.kstest(values.flatten().numpy(), distribution.cdf).pvalue > 1e-3  # type: ignore[attr-defined]
    # Neither between samples nor between neighbours is anything correlated.
    correlation = torch.corrcoef(values).fill_diagonal_(0.0)
    assert correlation.abs().max() < 5.0 / math.sqrt(5000)
    neighbours = torch.corrcoef(torch.stack([values[:, 1:].flatten(), values[:, :-1].flatten()]))[0, 1]
    assert neighbours.abs() < 4.0 / math.sqrt(30000)


def test_uniform_numbers_stay_below_the_upper_end() -> None:
    values = streams(indices=torch.arange(64)).uniform(4096)
    assert values.min() >= 0.0
    assert values.max() < 1.0


@pytest.mark.parametrize("high", [2, 7, 1000])
def test_integers_are_even_over_their_range(high: int) -> None:
    values = streams().integers(high, 5000).flatten()
    assert values.min() >= 0
    assert values.max() < high
    counts = torch.bincount(values, minlength=high).numpy()
    assert stats.chisquare(counts).pvalue > 1e-3


def test_signs_are_plus_and_minus_one_equally_often() -> None:
    values = streams().signs(5000)
    assert set(values.unique().tolist()) == {-1.0, 1.0}
    assert values.mean().abs() < 4.0 / math.sqrt(30000)


def test_shapes_follow_the_samples() -> None:
    rng = streams()
    assert len(rng) == 6
    assert rng.uniform().shape == (6,)
    assert rng.normal(2, 3).shape == (6, 2, 3)


def test_a_moment_of_a_sample_has_its_own_stream_wherever_the_others_are() -> None:
    goal, step = torch.tensor([0, 0, 1, 2, 0, 1]), torch.tensor([5, 0, 5, 3, 0, 0])
    moments = streams().at(goal, step).uniform(4)
    order = torch.tensor([3, 0, 4])
    assert torch.equal(streams().select(order).at(goal[order], step[order]).uniform(4), moments[order])
    # Neither what was drawn before nor what others drew moves it.
    late = streams()
    late.uniform(7)
    assert torch.equal(late.at(goal, step).uniform(4), moments)
    assert torch.equal(late.at(goal).at(step).uniform(4), moments)


def test_every_moment_gives_other_numbers() -> None:
    one = torch.zeros(1, dtype=torch.int64)
    first = Rng.keyed(0, "attack", one)
    dealt = {first.at(one + goal, one + step).uniform().item() for goal in range(30) for step in range(30)}
    dealt |= {first.at(one + step).uniform().item() for step in range(30)} | {first.uniform().item()}
    assert len(dealt) == 30 * 30 + 30 + 1


def test_streams_of_other_samples_take_the_places_they_are_given() -> None:
    pool = streams()
    pool.overwrite(torch.tensor([4, 1]), streams(indices=torch.tensor([40, 41])))
    expected = streams(indices=torch.tensor([0, 41, 2, 3, 40, 5]))
    assert torch.equal(pool.uniform(3), expected.uniform(3))


def test_sixteen_bits_are_even_and_independent_of_how_many_are_asked_for() -> None:
    dealt = Rng.keyed(0, "a", torch.arange(8)).sixteen(3, 5_000)
    assert dealt.shape == (8, 3, 5_000)
    assert dealt.min() >= 0
    assert dealt.max() < 65_536
    counts = torch.bincount(dealt.flatten() >> 12, minlength=16)
    assert (counts - 7_500).abs().max() < 400
    assert torch.equal(Rng.keyed(0, "a", torch.arange(8)).sixteen(3), dealt.flatten(1)[:, :3])
    pairs = torch.stack([dealt[..., :-1].flatten(), dealt[..., 1:].flatten()]).float()
    assert pairs.corrcoef()[0, 1].abs() < 0.02


def test_octets_are_even_and_independent_of_how_many_are_asked_for() -> None:
    dealt = Rng.keyed(0, "a", torch.arange(8)).octets(15_001)
    assert (dealt.shape, dealt.dtype) == ((8, 15_001), torch.uint8)
    counts = torch.bincount(dealt.flatten().long() >> 4, minlength=16)
    assert (counts - 7_500).abs().max() < 400
    assert torch.equal(Rng.keyed(0, "a", torch.arange(8)).octets(3), dealt[:, :3])
