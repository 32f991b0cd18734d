"""Distances and projections, held against plain definitions and an independent solver."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from auditor.errors import UsageError
from auditor.norms import ROUGH, distance, per_sample, project, project_l1_box, roughly, tolerance
from auditor.types import Norm, Threat

BALLS = (Norm.LINF, Norm.L2, Norm.L1, Norm.L0)
balls = pytest.mark.parametrize("norm", BALLS)


def pair(seed: int, shape: tuple[int, ...] = (4, 2, 3, 5), spread: float = 1.0) -> tuple[Tensor, Tensor]:
    """Clean samples in the box and candidates anywhere around them."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(shape, generator=generator)
    x = torch.where(torch.rand(shape, generator=generator) < 0.2, x.round(), x)
    return x, x + spread * torch.randn(shape, generator=generator)


def nearest_l1(delta: Tensor, low: Tensor, high: Tensor, eps: float) -> Tensor:
    """The projection of one sample by bisection on the threshold, in float64."""
    d, low, high = delta.double(), low.double(), high.double()

    def shrunk(threshold: float) -> Tensor:
        return torch.minimum(torch.maximum(d.sign() * (d.abs() - threshold).clamp_min(0.0), low), high)

    left, right = 0.0, float(d.abs().max())
    if shrunk(0.0).abs().sum() <= eps:
        return shrunk(0.0)
    for _ in range(100):
        middle = 0.5 * (left + right)
        left, right = (middle, right) if shrunk(middle).abs().sum() > eps else (left, middle)
    return shrunk(right)


def test_distances_are_what_their_names_say() -> None:
    a = torch.tensor([[0.0, 0.5, 1.0, 0.25]])
    b = torch.tensor([[0.0, 0.2, 0.6, 0.25]])
    assert distance(a, b, Norm.LINF).item() == pytest.approx(0.4, abs=1e-7)
    assert distance(a, b, Norm.L2).item() == pytest.approx(0.5, abs=1e-7)
    assert distance(a, b, Norm.L1).item() == pytest.approx(0.7, abs=1e-7)
    assert distance(a, b, Norm.L0).item() == 2.0


def test_sums_over_many_pixels_keep_their_digits() -> None:
    x = torch.zeros(1, 3, 600, 600)
    assert distance(x + 1e-4, x, Norm.L1).item() == pytest.approx(108.0, rel=1e-7)


@pytest.mark.parametrize("norm", [Norm.LINF, Norm.L2, Norm.L1, Norm.L0])
def test_rough_sizes_are_off_by_far_less_than_they_are_trusted_for(norm: Norm) -> None:
    x = torch.rand(2, 3, 600, 600)
    y = torch.stack([torch.rand_like(x[0]), x[1] + 1e-4])
    assert ((roughly(y, x, norm) / distance(y, x, norm) - 1.0).abs() < 0.2 * ROUGH).all()


@pytest.mark.parametrize("norm", [Norm.SPATIAL, Norm.PATCH, Norm.CORRUPTION])
def test_what_is_no_norm_ball_has_neither_distance_nor_projection(norm: Norm) -> None:
    x = torch.zeros(1, 2)
    with pytest.raises(UsageError, match="distance"):
        distance(x, x, norm)
    with pytest.raises(UsageError, match="projection"):
        project(x, x, norm, 1.0)


@settings(max_examples=60)
@given(
    norm=st.sampled_from(BALLS),
    seed=st.integers(0, 10_000),
    eps=st.floats(1e-4, 20.0),
    spread=st.floats(1e-3, 5.0),
)
def test_projections_lie_in_ball_and_box_and_leave_what_already_does(
    norm: Norm, seed: int, eps: float, spread: float
) -> None:
    x, candidate = pair(seed, spread=spread)
    threat = Threat(norm=norm, eps=eps)
    once = threat.project(candidate, x)
    assert once.min() >= 0.0
    assert once.max() <= 1.0
    # Adding a change to a pixel rounds it to 2^-25 at worst; beside tiny budgets that shows.
    rounding = x[0].numel() * 2.0**-25
    assert (threat.distance(once, x) <= eps + tolerance(norm, eps) + rounding).all()
    torch.testing.assert_close(threat.project(once, x), once, rtol=0.0, atol=1e-6)


@balls
def test_projection_changes_neither_argument(norm: Norm) -> None:
    x, candidate = pair(0)
    before = x.clone(), candidate.clone()
    project(candidate, x, norm, 0.3)
    assert torch.equal(x, before[0])
    assert torch.equal(candidate, before[1])


@pytest.mark.parametrize("norm", [Norm.LINF, Norm.L1])
def test_no_point_of_ball_and_box_is_nearer_than_the_projection(norm: Norm) -> None:
    x, candidate = pair(3, (1, 12))
    nearest = project(candidate, x, norm, 0.8)
    reached = (nearest - candidate).norm()
    others, _ = pair(4, (3000, 12), spread=0.4)
    for point in project(x + (others - 0.5), x.expand_as(others), norm, 0.8):
        assert (point - candidate).norm() >= reached - 1e-5


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    entries=st.integers(1, 40),
    eps=st.floats(1e-3, 10.0),
    zeros=st.floats(0.0, 1.0),
)
def test_l1_projection_agrees_with_bisection(seed: int, entries: int, eps: float, zeros: float) -> None:
    x, candidate = pair(seed, (5, entries))
    keep = torch.rand(5, entries, generator=torch.Generator().manual_seed(seed)) >= zeros
    delta = (candidate - x) * keep
    found = project_l1_box(delta, -x, 1.0 - x, eps)
    expected = torch.stack([nearest_l1(*row, eps) for row in zip(delta, -x, 1.0 - x, strict=True)])
    torch.testing.assert_close(found.double(), expected, rtol=0.0, atol=2e-6)


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), eps=st.integers(0, 8), spread=st.floats(0.05, 5.0))
def test_l0_projection_is_the_nearest_of_all_choices_of_entries(seed: int, eps: int, spread: float) -> None:
    x, candidate = pair(seed, (3, 6), spread)
    nearest = project(candidate, x, Norm.L0, eps)
    assert (distance(nearest, x, Norm.L0) <= eps).all()
    choices = torch.tensor([chosen for chosen in itertools.product([False, True], repeat=6) if sum(chosen) <= eps])
    others = torch.where(choices[:, None], candidate.clamp(0.0, 1.0), x)
    least = (others - candidate).norm(dim=2).amin(0)
    torch.testing.assert_close((nearest - candidate).norm(dim=1), least, rtol=1e-5, atol=1e-6)


def test_l0_projection_keeps_what_clipping_leaves_worth_most_and_the_rest_to_the_last_bit() -> None:
    x = torch.tensor([[0.9, 0.1, 0.3, 1.0]])
    candidate = torch.tensor([[1.5, 0.4, 0.3, 9.0]])
    # The last change is the largest, and clipping leaves nothing of it.
    assert torch.equal(project(candidate, x, Norm.L0, 1.0), torch.tensor([[1.0, 0.1, 0.3, 1.0]]))
    assert torch.equal(project(candidate, x, Norm.L0, 2.0), torch.tensor([[1.0, 0.4, 0.3, 1.0]]))


def test_l0_projection_takes_a_radius_for_each_sample_and_one_without_end() -> None:
    x, candidate = pair(6, (4, 30))
    radii = torch.tensor([[0.0], [1.0], [7.0], [torch.inf]])
    each = project(candidate, x, Norm.L0, radii)
    for row, radius in enumerate(radii.flatten().tolist()):
        one = slice(row, row + 1)
        assert torch.equal(each[one], project(candidate[one], x[one], Norm.L0, radius))
    assert torch.equal(each[3], candidate[3].clamp(0.0, 1.0))


def test_counts_have_no_tolerance() -> None:
    assert tolerance(Norm.L0, 1e6) == 0.0


def test_a_large_change_is_brought_into_a_small_l1_ball_without_loss_of_digits() -> None:
    change = 3.0 * torch.randn(16, 3000, generator=torch.Generator().manual_seed(0))
    limit = torch.ones_like(change)
    size = project_l1_box(change, -limit, limit, 0.01).double().abs().sum(1)
    torch.testing.assert_close(size, torch.full_like(size, 0.01), rtol=1e-5, atol=0.0)


def test_l1_projection_of_equal_entries_shares_the_budget() -> None:
    delta = torch.full((1, 4), 0.4)
    shared = project_l1_box(delta, torch.full((1, 4), -0.5), torch.full((1, 4), 0.5), 0.8)
    torch.testing.assert_close(shared, torch.full((1, 4), 0.2))


def test_l1_projection_of_a_sample_does_not_depend_on_its_batch() -> None:
    x, candidate = pair(5, (8, 50))
    # Samples of very different sparsity, so that the work is shared out differently.
    delta = (candidate - x) * (torch.arange(50) < torch.tensor([1, 2, 5, 10, 20, 30, 40, 50])[:, None])
    whole = project_l1_box(delta, -x, 1.0 - x, 1.0)
    for row in range(8):
        one = slice(row, row + 1)
        assert torch.equal(project_l1_box(delta[one], -x[one], 1.0 - x[one], 1.0), whole[one])


@balls
def test_nan_stays_nan_instead_of_turning_into_a_candidate(norm: Norm) -> None:
    x = torch.full((2, 3), 0.5)
    candidate = x.clone()
    candidate[0, 1] = torch.nan
    projected = project(candidate, x, norm, 0.1)
    assert projected[0].isnan().any()
    assert torch.equal(projected[1], x[1])


def test_per_sample_values_multiply_their_own_sample() -> None:
    scaled = per_sample(torch.tensor([1.0, 2.0]), torch.ones(2, 3, 4, 5)) * torch.ones(2, 3, 4, 5)
    assert scaled[0].eq(1.0).all()
    assert scaled[1].eq(2.0).all()
