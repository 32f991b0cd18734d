from __future__ import annotations

import pytest
import torch
from torch import Tensor

from auditor.check import Severity
from auditor.engine.scene import Scene
from auditor_checks.finite import FiniteAnswers
from tests.checks.conftest import Trained
from tests.checks.scenes import found, scene_of


def _spoiled(gray: Trained, value: float, columns: slice) -> Scene:
    def network(z: Tensor) -> Tensor:
        answer = gray.network(z)
        answer[z.flatten(1).sum(1) > 20.0, columns] = value
        return answer

    return scene_of(network, gray.x, gray.y)


def test_nothing_is_said_of_numbers(honest: Scene) -> None:
    assert not found(FiniteAnswers, honest)


@pytest.mark.parametrize(
    ("value", "columns"),
    [(float("nan"), slice(3, 4)), (float("inf"), slice(3, 4)), (-float("inf"), slice(None))],
    ids=["NaN", "infinity", "only minus infinity"],
)
def test_answers_that_are_no_numbers_stop_the_audit(gray: Trained, value: float, columns: slice) -> None:
    expected = int((gray.x.flatten(1).sum(1) > 20.0).sum())
    (finding,) = found(FiniteAnswers, _spoiled(gray, value, columns))
    assert finding.severity is Severity.BLOCK
    assert f"{expected} of 256" in finding.detail


def test_a_class_that_is_ruled_out_only_warns(gray: Trained) -> None:
    (finding,) = found(FiniteAnswers, _spoiled(gray, -float("inf"), slice(3, 4)))
    assert finding.severity is Severity.WARN


def test_large_numbers_are_numbers(gray: Trained) -> None:
    assert not found(FiniteAnswers, scene_of(lambda z: torch.full((len(z), 10), 3e38), gray.x, gray.y))


def test_a_model_that_never_answers_is_not_blamed_on_preprocessing_first(gray: Trained) -> None:
    scene = scene_of(lambda z: gray.network(z) * float("nan"), gray.x, gray.y)
    (finding,) = found(FiniteAnswers, scene)
    assert finding.detail == "On all 256 clean samples the answer is NaN."
    assert finding.remedy.startswith("No sample in particular is at fault: look for NaN among the weights")
