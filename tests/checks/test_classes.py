from __future__ import annotations

import pytest

from auditor.check import Severity
from auditor.engine.scene import Scene
from auditor_checks.classes import ClassCount
from tests.checks.conftest import Trained
from tests.checks.scenes import InMemory, found, scene_of, target_of


def test_nothing_is_said_of_ten_classes_with_labels_among_them(honest: Scene) -> None:
    assert not found(ClassCount, honest)


def test_some_classes_without_samples_are_no_mismatch(gray: Trained) -> None:
    few = gray.y < 3
    assert not found(ClassCount, scene_of(gray.network, gray.x[few], gray.y[few]))


def test_labels_from_1_are_outside_and_the_remedy_says_so(gray: Trained) -> None:
    (finding,) = found(ClassCount, scene_of(gray.network, gray.x, gray.y + 1))
    assert finding.severity is Severity.BLOCK
    assert "Subtract 1" in finding.remedy


def test_a_label_outside_counts_though_no_preflight_sample_has_it(gray: Trained) -> None:
    y = gray.y.clone()
    y[-1] = 10
    scene = scene_of(gray.network, gray.x[:50], gray.y[:50], samples=InMemory(gray.x, y))
    (finding,) = found(ClassCount, scene)
    assert finding.severity is Severity.BLOCK
    assert "--classes FILE" in finding.remedy


def test_one_output_is_no_classifier(gray: Trained) -> None:
    target = target_of(lambda z: gray.network(z)[:, :1], 1)
    (finding,) = found(ClassCount, scene_of(gray.network, gray.x, gray.y * 0, target=target))
    assert finding.severity is Severity.BLOCK


@pytest.mark.parametrize(("count", "losses"), [(2, "DLR and targeted DLR"), (3, "targeted DLR")])
def test_few_classes_are_mentioned_with_the_losses_that_they_rule_out(gray: Trained, count: int, losses: str) -> None:
    target = target_of(lambda z: gray.network(z)[:, :count], count)
    (finding,) = found(ClassCount, scene_of(gray.network, gray.x, gray.y % count, target=target))
    assert finding.severity is Severity.INFO
    assert f"losses {losses} do not exist" in finding.detail
