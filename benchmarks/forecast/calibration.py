"""The stated ranges held against what happened, and the constants that would have fitted best."""

from __future__ import annotations

from itertools import product
from statistics import fmean

import numpy as np
from scipy.optimize import minimize
from scipy.stats import betabinom

from auditor.result.forecast import DECAY, PRIOR, SPREAD, forecast, lately
from benchmarks.forecast.falls import Point, points, stored

LATE = 200
"""Passes from which on suites are foretold."""


def table() -> None:
    """Print how often the truth lay inside the stated range, and how wide that was."""
    print(f"{len(stored())} searches of {len({falls.network for falls in stored()})} networks\n")
    print("| | places | claimed | inside | above the range | mean width, samples | points |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for (name, mine), confidence in product(groups().items(), (0.8, 0.9, 0.95)):
        if not mine:
            continue
        told = [forecast(point.fell, point.standing, point.spent, confidence) for point in mine]
        pairs = list(zip(told, mine, strict=True))
        inside = fmean(one.low <= point.truth <= one.high for one, point in pairs)
        above = fmean(point.truth > one.high for one, point in pairs)
        width = fmean(one.high - one.low for one in told)
        share = fmean((one.high - one.low) / point.falls.n for one, point in pairs)
        print(f"| {name} | {len(mine)} | {confidence:.0%} | {inside:.1%} | {above:.1%} | {width:.1f} | {share:.1%} |")


def groups() -> dict[str, list[Point]]:
    """The places of the table, by what is said of them."""
    places = [point for falls in stored() for point in points(falls) if point.standing]
    same = [point for point in places if not point.changed]
    held_out = [point for point in same if not point.falls.fit]
    late = [point for point in held_out if point.spent >= LATE]
    return {
        "fitted networks, more of the same": [point for point in same if point.falls.fit],
        "held-out networks, more of the same": held_out,
        "the same, from 200 passes on": late,
        "the same, the attacks of `standard`": [point for point in late if point.falls.search == "standard"],
        "the same, of those nothing fell lately": [p for p in late if not lately(p.fell, [p.spent])],
        "all networks, an attack begins that was not tried before": [point for point in places if point.changed],
    }


def fit() -> None:
    """Print the constants of auditor/result/forecast.py of highest likelihood on the networks marked `fit`."""
    mine = groups()["fitted networks, more of the same"]
    late = np.array([lately(point.fell, [point.spent]) for point in mine])
    standing, truth = (np.array([getattr(point, name) for point in mine]) for name in ("standing", "truth"))

    def surprise(logs: np.ndarray) -> float:
        prior, decay, spread = np.exp(logs)
        hazard = np.minimum(decay * (late + prior) / (late + standing + 2.0 * prior), 1.0 - 1e-9)
        shape = 1.0 / (1.0 / (late + prior) + spread)
        return -float(betabinom.logpmf(truth, standing, shape, shape * (1.0 - hazard) / hazard).sum())

    best = minimize(surprise, np.log([PRIOR, DECAY, SPREAD]), method="Nelder-Mead")
    print(f"{len(mine)} places: prior, decay, spread {np.exp(best.x).round(3)}; surprise {best.fun:.1f}, ", end="")
    print(f"with the constants in use {surprise(np.log([PRIOR, DECAY, SPREAD])):.1f}")
