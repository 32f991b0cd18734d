"""Certificates of smoothed classifiers: the radius of a linear one in closed form, and how often proofs are wrong."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
import torch
from torch import Tensor

from auditor import Rng
from auditor.engine.certificate import Certificate, certify
from auditor.engine.store import Store
from auditor.result.certificate import Proof, certified, reach, read_proofs, summarised, write_proofs
from auditor.target.chance import by_majority, needed
from auditor.target.wrapped import Wrapped
from auditor.types import Norm
from auditor_defenses.smoothing import Smoothing
from tests.checks.scenes import InMemory, target_of

# Smoothing a linear border keeps it: behind any noise, a sample's radius is its distance from the border.
DIRECTION = torch.tensor([3.0, 4.0]) / 5.0
DISTANCE = torch.linspace(-0.6, 0.6, 25)
SIGMA = 0.25


def halves(x: Tensor) -> Tensor:
    score = (x - 0.5) @ DIRECTION
    return torch.stack([-score, score], 1)


def points(distance: Tensor) -> Tensor:
    return 0.5 + distance[:, None] * DIRECTION


def proofs_at(distance: Tensor, seed: int = 0, **parameters: float) -> tuple[Tensor, Tensor]:
    smoothing = Smoothing(sigma=SIGMA, **parameters)  # type: ignore[arg-type]
    found = smoothing.certify(halves, points(distance), Rng.keyed(seed, "certificate", torch.arange(len(distance))))
    return found.prediction, found.radius


def test_the_radius_of_a_linear_classifier_is_below_its_distance_by_no_more_than_counting_allows() -> None:
    prediction, radius = proofs_at(DISTANCE, n=4000)
    sure = DISTANCE.abs() > 0.05
    assert torch.equal(prediction[sure], (DISTANCE > 0).long()[sure])
    # With so many votes of a share p that lies two ends of an interval apart at most.
    for distance, proven in zip(DISTANCE[sure].tolist(), radius[sure].tolist(), strict=True):
        p = NormalDist().cdf(abs(distance) / SIGMA)
        low = p - 7.5 * math.sqrt(p * (1.0 - p) / 4000) - 10.0 / 4000
        assert proven <= abs(distance) + 0.02
        assert proven >= SIGMA * NormalDist().inv_cdf(max(0.5, low)) - 1e-9


def test_proofs_are_wrong_no_more_often_than_alpha() -> None:
    # One distance, many samples: a proof is wrong where its radius exceeds the distance.
    _, radius = proofs_at(torch.full((3000,), 0.2), n0=10, n=200, alpha=0.05)
    wrong = int((radius > 0.2).sum())
    assert 0 < wrong <= 3000 * 0.05 + 4.0 * math.sqrt(3000 * 0.05 * 0.95)


def test_the_largest_radius_is_that_of_all_votes() -> None:
    smoothing = Smoothing(sigma=0.5, n=1000, alpha=0.001)
    # Clopper & Pearson: if all agree, the share is at least alpha^(1/n).
    assert smoothing.radius(1000) == pytest.approx(0.5 * NormalDist().inv_cdf(0.001**0.001), rel=1e-9)
    assert smoothing.radius(540) == 0.0
    assert smoothing.radius(0) == 0.0
    radii = [smoothing.radius(votes) for votes in range(500, 1001)]
    assert radii == sorted(radii)


def test_a_sample_is_dealt_the_same_noise_whoever_else_is_certified() -> None:
    smoothing = Smoothing(sigma=SIGMA, n=300)
    together = smoothing.certify(halves, points(DISTANCE), Rng.keyed(1, "certificate", torch.arange(25)))
    alone = smoothing.certify(halves, points(DISTANCE[7:8]), Rng.keyed(1, "certificate", torch.tensor([7])))
    assert together.radius[7] == alone.radius[0]


def certificate(run: Path, batch_size: int, deadline: float = math.inf) -> tuple[Certificate, list[int]]:
    asked: list[int] = []

    def network(x: Tensor) -> Tensor:
        asked.append(len(x))
        return halves(x)

    target = replace(target_of(network), num_classes=2, wrapped=Wrapped((Smoothing(sigma=SIGMA, n=50, n0=10),)))
    samples = InMemory(points(DISTANCE), (DISTANCE > 0).long())
    store = Store(run)
    try:
        made = certify(target, samples, store, batch_size, ("model", 0), lambda event: None, deadline)
    finally:
        store.close()
    return made, asked


def test_what_was_proven_before_an_interruption_is_not_proven_again(tmp_path: Path) -> None:
    whole, asked = certificate(tmp_path / "run", 10)
    assert sum(asked) == 25 * 60
    again, asked = certificate(tmp_path / "run", 10)
    assert not asked
    assert again == whole
    assert certificate(tmp_path / "other", 25)[0] == whole


def test_without_time_nothing_is_claimed(tmp_path: Path) -> None:
    made, asked = certificate(tmp_path / "run", 10, deadline=-math.inf)
    assert not asked
    assert made.proofs == ()


def proof(index: int, radius: float, right: bool = True) -> Proof:
    return Proof(model="m", index=index, label=1, prediction=int(right) if radius else -1, radius=radius)


def test_certified_accuracy_counts_what_is_proven_right_beyond_the_budget() -> None:
    proofs = [proof(0, 0.5), proof(1, 0.3), proof(2, 0.9, right=False), proof(3, 0.0)]
    assert certified(proofs, 0.2, 0.0, 0.95)[0] == 0.5
    assert certified(proofs, 0.3, 0.0, 0.95)[0] == 0.25
    _, (low, high) = certified(proofs, 0.2, 0.01, 0.95)
    assert certified(proofs, 0.2, 0.0, 0.95)[1] == (pytest.approx(low + 0.01), high)
    made = summarised(proofs, 0.001, 0.95)
    assert made is not None
    assert made.abstained == 1
    assert [(round(r, 2), share) for r, share, _, _ in made.curve] == [(0.3, 0.5), (0.5, 0.25)]
    assert all(at <= true for (at, *_), true in zip(made.curve, (0.3, 0.5), strict=True))


def test_budgets_of_other_norms_reach_as_far_as_their_largest_l2_change() -> None:
    assert reach(Norm.L2, 0.5, 100) == reach(Norm.L1, 0.5, 100) == 0.5
    assert reach(Norm.LINF, 0.1, 100) == pytest.approx(1.0)
    assert reach(Norm.L0, 9, 100) == 3.0
    assert reach(Norm.SPATIAL, 1.0, 100) is None
    assert reach(Norm.L2, math.inf, 100) is None


def test_proofs_are_read_as_they_were_written(tmp_path: Path) -> None:
    proofs = [proof(0, 0.123456789), proof(1, 0.0)]
    write_proofs(tmp_path / "certified.csv", proofs)
    assert list(read_proofs(tmp_path / "certified.csv")) == proofs


@pytest.mark.parametrize("draws", [20, 100])
def test_so_many_votes_are_needed_as_the_exact_test_says(draws: int) -> None:
    from scipy.stats import binomtest

    for m in range(draws + 1):
        least = needed(draws, 0.001)[m]
        for votes in {max(0, least - 1), min(least, m)}:
            p = binomtest(votes, m).pvalue if m else 1.0
            assert (p <= 0.001 and 2 * votes > m) == (votes >= least)


def test_a_label_has_the_benefit_of_the_doubt_and_no_more() -> None:
    votes = iter([[0.0, 1.0]] * 58 + [[1.0, 0.0]] * 42 + [[0.0, 1.0]] * 72 + [[1.0, 0.0]] * 128)
    y = torch.tensor([0])

    def answer(x: Tensor) -> Tensor:
        return torch.tensor([next(votes)])

    assert by_majority(answer, torch.zeros(1, 1), 100, y, 0.001).argmax(1).tolist() == [0]
    assert by_majority(answer, torch.zeros(1, 1), 100, y, 0.001).argmax(1).tolist() == [1]
    assert by_majority(answer, torch.zeros(1, 1), 100, y, 0.001).argmax(1).tolist() == [0]


def test_smoothing_of_random_votes_proves_nothing() -> None:
    generator = np.random.default_rng(0)

    def coin(x: Tensor) -> Tensor:
        return torch.from_numpy(generator.random((len(x), 2)))

    found = Smoothing(n=400).certify(coin, torch.zeros(200, 3), Rng.keyed(0, "certificate", torch.arange(200)))
    assert int((found.prediction >= 0).sum()) <= 2
