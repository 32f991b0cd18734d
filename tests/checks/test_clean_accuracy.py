from __future__ import annotations

import pytest
import torch
from torch import nn

from auditor.check import Severity
from auditor.engine.scene import Scene
from auditor_checks.clean_accuracy import CleanAccuracy
from tests.checks.conftest import Trained
from tests.checks.scenes import digits, found, scene_of, target_of


def _untrained(num_classes: int = 10) -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, num_classes)).eval().requires_grad_(False)


def test_nothing_is_said_of_a_model_that_works(honest: Scene) -> None:
    assert not found(CleanAccuracy, honest)


def test_a_model_that_guesses_stops_the_audit(gray: Trained) -> None:
    (finding,) = found(CleanAccuracy, scene_of(_untrained(), gray.x, gray.y))
    assert finding.severity is Severity.BLOCK
    assert "10 classes gives 10.0 %" in finding.detail


def test_few_samples_only_warn_of_guessing(gray: Trained) -> None:
    network = _untrained()
    wrong = network(gray.x).argmax(1) != gray.y
    for n in (1, 3):
        (finding,) = found(CleanAccuracy, scene_of(network, gray.x[wrong][:n], gray.y[wrong][:n]))
        assert finding.severity is Severity.WARN
        assert "--samples" in finding.remedy


def test_a_mediocre_model_of_two_classes_is_no_guesser() -> None:
    # 70 % is below 1.5/classes, and an honest accuracy for a hard task.
    y = (torch.arange(256) % 2).long()
    x = torch.rand(256, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    x[:, 0, 0, 0] = torch.where(torch.arange(256) % 10 < 7, y.float(), 1.0 - y.float())

    def network(z: torch.Tensor) -> torch.Tensor:
        return torch.stack([1.0 - z[:, 0, 0, 0], z[:, 0, 0, 0]], 1)

    assert not found(CleanAccuracy, scene_of(network, x, y, target=target_of(network, 2)))


def test_an_expected_accuracy_that_is_missed_stops_the_audit(gray: Trained) -> None:
    scene = scene_of(gray.network, gray.x, gray.y, expected_clean_accuracy=0.80)
    (finding,) = found(CleanAccuracy, scene)
    assert finding.severity is Severity.BLOCK
    assert "80.0 % was expected" in finding.detail
    assert "--expected-clean-accuracy" in finding.remedy


@pytest.mark.parametrize("n", [20, 256])
def test_an_expected_accuracy_within_chance_of_the_measured_one_passes(gray: Trained, n: int) -> None:
    measured = float((gray.network(gray.x[:n]).argmax(1) == gray.y[:n]).float().mean())
    for expected in (measured, measured - 0.02, min(1.0, measured + 0.009)):
        scene = scene_of(gray.network, gray.x[:n], gray.y[:n], expected_clean_accuracy=expected)
        assert not found(CleanAccuracy, scene)


def test_it_leaves_the_word_to_a_check_that_knows_the_cause(gray: Trained) -> None:
    scene = scene_of(gray.network, gray.x, (gray.y + 3) % 10)
    assert not found(CleanAccuracy, scene)


def test_it_leaves_the_word_to_the_check_of_answers_that_are_no_numbers(gray: Trained) -> None:
    def network(z: torch.Tensor) -> torch.Tensor:
        return gray.network(z) * float("nan")

    assert not found(CleanAccuracy, scene_of(network, gray.x, gray.y))


def test_digits_are_what_the_other_tests_take_them_for() -> None:
    x, y, other, labels = digits()
    assert x.shape[1:] == (1, 8, 8)
    assert (float(x.min()), float(x.max())) == (0.0, 1.0)
    assert len(y.unique()) == len(labels.unique()) == 10
    assert len(other) == 256
