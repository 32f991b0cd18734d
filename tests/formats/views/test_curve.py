from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.formats.views.curve import bound, curves, smallest_sizes
from auditor.result.record import ModelResult, ThreatResult
from auditor.result.statistics import wilson
from tests.formats.rows import row


def model(*threats: ThreatResult, clean: float | None = 0.8) -> ModelResult:
    return ModelResult(
        name="m",
        path="m.onnx",
        sha256="",
        format="onnx",
        gradients="native",
        clean_accuracy=clean,
        clean_interval=None if clean is None else wilson(round(10 * clean), 10),
        threats=threats,
    )


def threat(norm: str, eps: float, robust: int, unknown: int = 0) -> ThreatResult:
    return ThreatResult(
        norm=norm,
        eps=eps,
        robust_accuracy=None if unknown else robust / 10,
        robust_interval=None if unknown else wilson(robust, 10),
        robust_upper_bound=(robust + unknown) / 10,
        not_evaluated=unknown,
    )


def test_a_curve_starts_at_clean_accuracy_and_ascends_in_eps() -> None:
    (curve,) = curves(model(threat("linf", 0.2, 1), threat("linf", 0.1, 5)), {}, 10, 0.95)
    assert [(p.eps, p.share) for p in curve.points] == [(0.0, 0.8), (0.1, 0.5), (0.2, 0.1)]
    assert curve.points[1].interval == wilson(5, 10)


def test_each_norm_has_a_curve_of_its_own() -> None:
    drawn = curves(model(threat("linf", 0.2, 1), threat("l2", 1.0, 5)), {}, 10, 0.95)
    assert [curve.norm for curve in drawn] == ["linf", "l2"]


def test_a_point_with_samples_that_were_not_evaluated_is_an_upper_bound_and_says_so() -> None:
    (curve,) = curves(model(threat("linf", 0.2, 3, unknown=2)), {}, 10, 0.95)
    point = curve.points[1]
    assert (point.share, point.not_evaluated) == (0.5, 2)
    assert point.interval == wilson(5, 10)


def test_a_model_that_was_not_audited_has_no_curve() -> None:
    assert curves(model(clean=None), {}, 10, 0.95) == ()


def test_the_smallest_example_of_a_sample_counts_and_none_is_larger_than_its_budget() -> None:
    rows = [
        row(0, "broken", distance=0.05),
        row(0, "broken", eps=0.2, distance=0.15),
        row(1, "broken", distance=0.1000001),
        row(2),
    ]
    assert smallest_sizes(rows) == [0.05, 0.1]


def test_the_bound_falls_where_an_example_was_found() -> None:
    assert bound([0.25, 0.5, 0.5, 1.0], right=8, n=10, largest=1.0) == ((0.25, 0.7), (0.5, 0.5), (1.0, 0.4))


def test_an_l0_curve_has_its_steps_at_whole_numbers() -> None:
    rows = {("l0", 24.0): [row(i, "broken", norm="l0", eps=24.0, distance=float(i + 3)) for i in range(3)]}
    (curve,) = curves(model(threat("l0", 24.0, 5)), rows, 10, 0.95)
    assert curve.bound == ((3, 0.7), (4, 0.6), (5, 0.5))
    assert bound([300.0, 1000.0], right=2, n=2, largest=1000.0, whole=True) == ((300, 0.5), (1000, 0.0))


def test_the_bound_ends_at_the_measured_point() -> None:
    rows = {("linf", 0.1): [row(i, "broken" if i < 3 else "robust", distance=0.02 * (i + 1)) for i in range(10)]}
    (curve,) = curves(model(threat("linf", 0.1, 5)), rows, 10, 0.95)
    assert curve.bound[-1][1] == pytest.approx(curve.points[1].share)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=400))
def test_the_bound_never_claims_more_than_was_found(sizes: list[float]) -> None:
    sizes = sorted(sizes)
    steps = bound(sizes, right=len(sizes), n=len(sizes), largest=1.0)
    assert len(steps) <= 257
    assert [share for _, share in steps] == sorted((share for _, share in steps), reverse=True)
    for radius, share in steps:
        fallen = round(len(sizes) * (1 - share))
        assert sum(size <= radius for size in sizes) <= fallen <= sum(size <= radius + 1e-8 for size in sizes)
    assert steps[-1][1] == pytest.approx(0.0)
