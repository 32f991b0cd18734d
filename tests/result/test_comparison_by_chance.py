"""A drop between two runs of models that answer at random: its interval holds what their draws add."""

from __future__ import annotations

import numpy as np
import pytest

from auditor.result.comparison import drop_of
from auditor.result.expectation import effective_pairs, expectation

DRAWS, N = 20, 120


def _run(rng: np.random.Generator, centre: np.ndarray) -> np.ndarray:
    """Which draw got which sample wrong, `(DRAWS, N)`, where every draw is the same for all samples."""
    return centre[None, :] + 0.25 * rng.standard_normal((DRAWS, 1)) > 0.0


def _share(centre: np.ndarray, rng: np.random.Generator) -> float:
    """Of samples that most of so many draws get right: the mean over runs."""
    runs = (2 * (~_run(rng, centre)).sum(0) > DRAWS for _ in range(400))
    return float(np.mean([run.mean() for run in runs]))


def test_it_covers_the_drop_that_many_runs_have_on_average_and_without_the_draws_it_does_not() -> None:
    rng = np.random.default_rng(0)
    centre = rng.uniform(-0.3, 0.3, N)
    truth = _share(centre, rng) - _share(centre + 0.05, rng)
    held, blind = 0, 0
    for _ in range(100):
        before, after = _run(rng, centre), _run(rng, centre + 0.05)
        stood = [2 * (~run).sum(0) > DRAWS for run in (before, after)]
        flags = list(zip(*(list(map(bool, rows)) for rows in stood), strict=True))
        runs = [expectation(run, 0.9) for run in (before, after)]
        low, high = drop_of(flags, 0.9, runs=runs).interval
        held += low <= truth <= high
        low, high = drop_of(flags, 0.9).interval
        blind += low <= truth <= high
    assert held >= 88
    assert blind < held - 10


def test_without_chance_nothing_is_taken_away() -> None:
    assert effective_pairs(3, 1, 100, (None, None)) is None
    assert drop_of([(True, False)] * 4 + [(True, True)] * 96).effective_samples is None


def test_draws_that_agree_take_nothing_away_and_those_that_do_not_take_the_more_the_more_they_differ() -> None:
    rng = np.random.default_rng(1)
    steady = expectation(np.repeat(rng.uniform(size=(1, N)) > 0.5, DRAWS, 0), 0.95)
    loose = expectation(_run(rng, rng.uniform(-0.3, 0.3, N)), 0.95)
    assert effective_pairs(6, 2, N, (steady, steady)) == N
    one, two = (effective_pairs(6, 2, N, runs) for runs in ((loose, None), (loose, loose)))
    assert one is not None
    assert two is not None
    assert two < one < N


def test_a_drop_that_draws_explain_is_no_more_than_chance() -> None:
    flags = [(True, False)] * 9 + [(True, True)] * 61 + [(False, False)] * 50
    loose = expectation(_run(np.random.default_rng(1), np.random.default_rng(2).uniform(-0.3, 0.3, N)), 0.95)
    sure, unsure = drop_of(flags), drop_of(flags, runs=(loose, loose))
    assert (sure.word, unsure.word) == ("worse", "no more than chance")
    assert unsure.interval[0] < 0.0 < sure.interval[0]
    assert unsure.before - unsure.after == pytest.approx(9 / 120)
