"""The mean corruption error is a mean of ratios, one a corruption."""

from __future__ import annotations

import pytest

from auditor.result.corruptions import normalised_error
from auditor.result.measures import CorruptionResult


def table(**accuracies: tuple[float, ...]) -> tuple[CorruptionResult, ...]:
    return tuple(
        CorruptionResult(name=name, severity=severity, accuracy=share, interval=(share, share))
        for name, shares in accuracies.items()
        for severity, share in enumerate(shares, 1)
    )


def test_errors_are_added_up_over_severities_and_divided_by_the_baselines() -> None:
    ours, theirs = table(fog=(0.9, 0.7), snow=(0.8, 0.5)), table(fog=(0.8, 0.4), snow=(0.9, 0.75))
    assert normalised_error(ours, theirs) == pytest.approx((0.4 / 0.8 + 0.7 / 0.35) / 2)
    assert normalised_error(ours, ours) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "theirs",
    [(), table(fog=(0.8, 0.4)), table(fog=(0.8,), snow=(0.9,)), table(fog=(1.0, 1.0), snow=(0.9, 0.75))],
    ids=["none", "other corruptions", "other severities", "no errors"],
)
def test_a_baseline_that_is_no_measure_gives_none(theirs: tuple[CorruptionResult, ...]) -> None:
    assert normalised_error(table(fog=(0.9, 0.7), snow=(0.8, 0.5)), theirs) is None
