from __future__ import annotations

import pytest

from auditor.check import Finding, Severity
from auditor.engine.scene import Scene
from auditor.settings import ThreatSetting
from auditor.types import Norm
from auditor_checks.budget import Budget
from tests.checks.conftest import Trained
from tests.checks.scenes import InMemory, found, scene_of


def _budget(gray: Trained, norm: Norm, eps: float, *, eight_bit: bool = True) -> list[Finding]:
    samples = InMemory(gray.x, gray.y, eight_bit=eight_bit)
    threats = (ThreatSetting(norm=norm, eps=eps),)
    return found(Budget, scene_of(gray.network, gray.x, gray.y, samples=samples, threats=threats))


def test_nothing_is_said_of_eight_levels(honest: Scene) -> None:
    assert not found(Budget, honest)


@pytest.mark.parametrize(
    ("norm", "eps"),
    [
        (Norm.LINF, 8 / 255),
        (Norm.LINF, 0.3),
        (Norm.LINF, 0.5),
        (Norm.L2, 0.5),
        (Norm.L2, 3.0),
        (Norm.L1, 12.0),
        (Norm.L0, 5.0),
        (Norm.CORRUPTION, 3.0),
        (Norm.L2, float("inf")),
        (Norm.LINF, float("inf")),
    ],
)
def test_usual_budgets_pass(gray: Trained, norm: Norm, eps: float) -> None:
    assert not _budget(gray, norm, eps)


@pytest.mark.parametrize(
    ("norm", "eps"), [(Norm.LINF, 0.51), (Norm.LINF, 8.0), (Norm.L2, 4.1), (Norm.L1, 33.0), (Norm.L0, 33.0)]
)
def test_more_than_half_the_way_from_black_to_white_stops_the_audit(gray: Trained, norm: Norm, eps: float) -> None:
    (finding,) = _budget(gray, norm, eps)
    assert finding.severity is Severity.BLOCK
    assert ("--eps 8/255" in finding.remedy) is (eps == 8.0)


def test_a_budget_beside_a_fraction_is_mentioned(gray: Trained) -> None:
    (finding,) = _budget(gray, Norm.LINF, 0.031)
    assert finding.severity is Severity.INFO
    assert "8/255" in finding.remedy


def test_less_than_one_step_of_an_8_bit_image_is_mentioned(gray: Trained) -> None:
    (finding,) = _budget(gray, Norm.LINF, 0.5 / 255)
    assert finding.severity is Severity.INFO
    assert not _budget(gray, Norm.LINF, 0.5 / 255, eight_bit=False)
