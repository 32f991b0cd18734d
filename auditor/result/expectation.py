"""Numbers of a model that answers at random, from which draws fooled it on which sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from auditor.result.measures import ExpectationResult
from auditor.result.statistics import Interval, wilson

if TYPE_CHECKING:
    import numpy as np

_RESAMPLED = 200


def expectation(fooled: np.ndarray, confidence: float) -> ExpectationResult:
    """What holds over the draws; `fooled` says which draw got which sample wrong, `(draws, n)` bool.

    The variance of each share is that of the samples and, since a draw may be the same for all of them, that of the
    draws on top, from drawing the draws anew (Efron 1979). The interval is Wilson's for as many samples as would give
    that variance without chance (Korn & Graubard 1998).
    """
    import numpy as np

    draws, n = fooled.shape
    right = ~fooled

    def mean(of: np.ndarray) -> float:
        return float(of.mean())

    def majority(of: np.ndarray) -> float:
        return float((2 * of.sum(0) > len(of)).mean())

    rng = np.random.default_rng(0)
    again = [right[rng.integers(draws, size=draws)] for _ in range(_RESAMPLED)]
    said, average = majority(right), mean(right)
    samples = float(right.mean(0).var()) / max(1, n - 1)
    return ExpectationResult(
        draws=draws,
        rule="majority",
        majority=said,
        any=float(right.all(0).mean()),
        mean=average,
        interval=_interval(average, n, samples + _spread(mean, again), confidence),
        effective_samples=_effective(said, n, said * (1.0 - said) / max(1, n) + _spread(majority, again)),
    )


def share_interval(k: int, n: int, expected: ExpectationResult | None, confidence: float) -> Interval:
    """Wilson's interval of the share `k / n`; where it was judged over draws, with their own variance."""
    most = n if expected is None else min(n, expected.effective_samples)
    return wilson(k * most / max(1, n), most, confidence)


def effective_pairs(lost: int, gained: int, n: int, runs: Sequence[ExpectationResult | None]) -> int | None:
    """As many pairs without chance as would leave the difference of two shares the variance that it has, where one of
    the `runs` answers at random; None where none does. What the draws of a run add to the variance of its own share
    they add to that of the difference: the two runs draw apart."""
    drawn = sum(_of_draws(run, n) for run in runs if run is not None)
    if all(run is None for run in runs) or not n:
        return None
    # Half a pair of either kind, so that runs without a difference have a variance too.
    lost_share, gained_share = (lost + 0.5) / (n + 1.0), (gained + 0.5) / (n + 1.0)
    variance = lost_share + gained_share - (lost_share - gained_share) ** 2
    return min(n, max(1, round(variance / (variance / n + drawn))))


def _of_draws(run: ExpectationResult, n: int) -> float:
    """The variance that its draws give the share of a run."""
    share = (run.majority * n + 0.5) / (n + 1.0)
    return share * (1.0 - share) * max(0.0, 1.0 / run.effective_samples - 1.0 / n)


def _spread(of: Callable[[np.ndarray], float], again: list[np.ndarray]) -> float:
    """The variance that the draws give a number."""
    import numpy as np

    return float(np.var([of(drawn) for drawn in again], ddof=1))


def _interval(share: float, n: int, variance: float, confidence: float) -> Interval:
    most = _effective(share, n, variance)
    return wilson(share * most, most, confidence)


def _effective(share: float, n: int, variance: float) -> int:
    """How many samples without chance would leave a share this variance; at least one, where there are any."""
    if variance <= 0.0:
        return n
    share = (share * n + 0.5) / (n + 1.0)  # Draws may move a share that is all or nothing.
    return min(n, max(1, round(share * (1.0 - share) / variance)))
