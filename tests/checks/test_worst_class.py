"""A class that withstands far less than the mean is pointed out, and chance is not."""

from __future__ import annotations

import pytest

from auditor.check import Finding, Severity
from auditor.result.statistics import clopper_pearson
from auditor.result.worst_class import worst_class
from auditor_checks.worst_class import WorstClass
from tests.checks.conftest import Trained
from tests.checks.scenes import found, record, run, scene_of


def shares(*classes: tuple[int, int]) -> list[tuple[int, bool]]:
    """Samples of classes 0, 1, …: of each so many stand among so many."""
    return [(label, i < k) for label, (k, n) in enumerate(classes) for i in range(n)]


def said(gray: Trained, *classes: tuple[int, int]) -> list[Finding]:
    result = record(run("apgd", "gradients", 60))
    threat = result.threats[0].model_copy(update={"worst_class": worst_class(shares(*classes), 0.95)})
    result = result.model_copy(update={"threats": (threat,), "classes": ("cat", "dog", "owl")})
    return found(WorstClass, scene_of(gray.network, gray.x, gray.y, result=result))


def test_the_worst_class_is_the_one_of_which_the_smallest_share_stands() -> None:
    worst = worst_class(shares((80, 100), (30, 100), (70, 100)), 0.95)
    assert worst is not None
    assert (worst.label, worst.n, worst.share, worst.classes) == (1, 100, 0.3, 3)
    assert worst.gap == pytest.approx(0.6 - 0.3)


def test_its_interval_is_corrected_for_having_been_picked() -> None:
    worst = worst_class(shares((80, 100), (30, 100), (70, 100)), 0.95)
    assert worst is not None
    assert worst.interval == pytest.approx(clopper_pearson(30, 100, 1.0 - 0.05 / 3))


def test_of_classes_alike_the_one_with_more_samples_tells_more() -> None:
    worst = worst_class(shares((1, 2), (50, 100)), 0.95)
    assert worst is not None
    assert worst.label == 1


def test_one_class_alone_is_not_the_worst() -> None:
    assert worst_class(shares((1, 2)), 0.95) is None


def test_a_class_far_below_the_mean_is_named_and_is_no_more_than_information(gray: Trained) -> None:
    (finding,) = said(gray, (80, 100), (30, 100), (70, 100))
    assert (finding.code, finding.severity) == ("AUD309", Severity.INFO)
    assert "30 of 100 (30.0 %) samples of class dog stand, 30.0 points less than of all" in finding.detail
    assert "corrected for 3 classes" in finding.detail


@pytest.mark.parametrize(
    "classes",
    [
        ((70, 100), (62, 100), (68, 100)),  # a small gap
        ((4, 5), (1, 5), (4, 5)),  # a large one that chance explains
    ],
)
def test_a_gap_that_is_small_or_may_be_chance_is_not_pointed_out(
    gray: Trained, classes: tuple[tuple[int, int], ...]
) -> None:
    assert not said(gray, *classes)
