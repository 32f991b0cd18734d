"""The numbers that raised a finding stand beside its words, for programs and for the report."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from auditor.check import Check
from auditor.engine.scene import Scene
from auditor_checks.clean_accuracy import CleanAccuracy
from auditor_checks.data import SampleQuality
from auditor_checks.finite import FiniteAnswers
from auditor_checks.labels import LabelOrder
from auditor_checks.pixels import PixelScale
from auditor_checks.refuted import RefutedExamples
from auditor_checks.wiring import ModelWiring
from tests.checks.conftest import Trained
from tests.checks.scenes import found, record, run, scene_of


def cases(gray: Trained) -> dict[str, tuple[type[Check], Scene, dict[str, Any]]]:
    """What is wrong, and what has to be said of it in numbers."""
    x, y, network = gray.x, gray.y, gray.network
    twice = torch.cat([x[:200], x[:20]]), torch.cat([y[:200], y[:20]])
    ran = record(run("apgd", "gradients", 198, refuted=2))
    return {
        "255": (PixelScale, scene_of(network, 255.0 * x, y), {"smallest pixel": 0.0, "largest pixel": 255.0}),
        "copies": (
            SampleQuality,
            scene_of(network, *twice),
            {"copies": 20, "under several labels": 0, "samples": 220},
        ),
        "NaN": (
            FiniteAnswers,
            scene_of(lambda x: network(x) * torch.nan, x, y),
            {"such answers": len(x), "samples": len(x)},
        ),
        "refuted": (RefutedExamples, scene_of(network, x, y, result=ran), {"refuted": 2, "candidates": 200}),
    }


@pytest.mark.parametrize("name", ["255", "copies", "NaN", "refuted"])
def test_the_numbers_are_those_that_were_counted(gray: Trained, name: str) -> None:
    check, scene, numbers = cases(gray)[name]
    (finding,) = found(check, scene)
    assert finding.evidence == numbers


def test_accuracies_are_those_before_and_after_the_remedy(gray: Trained) -> None:
    right = float((gray.network(gray.x).argmax(1) == gray.y).float().mean())
    shifted = scene_of(gray.network, gray.x, (gray.y + 1) % 10)
    (finding,) = found(LabelOrder, shifted)
    assert finding.evidence["accuracy as labelled"] < 0.1
    assert finding.evidence["accuracy renumbered"] == pytest.approx(right, abs=0.03)
    inverted = scene_of(lambda x: gray.network(1.0 - x), gray.x, gray.y)
    (finding,) = found(ModelWiring, inverted)
    assert finding.evidence["accuracy rewired"] == pytest.approx(right)
    expected = scene_of(gray.network, gray.x, gray.y, expected_clean_accuracy=0.5)
    (finding,) = found(CleanAccuracy, expected)
    assert finding.evidence["accuracy"] == pytest.approx(right)
    assert finding.evidence["low"] < right < finding.evidence["high"]
    assert finding.evidence["expected"] == 0.5
