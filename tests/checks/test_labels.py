from __future__ import annotations

import pytest
import torch

from auditor.check import Severity
from auditor.engine.scene import Scene
from auditor_checks.labels import LabelOrder
from tests.checks.conftest import Trained
from tests.checks.scenes import InMemory, found, scene_of, target_of

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# Output of the model by label of the data: folders by alphabet number eight first and zero last.
BY_ALPHABET = torch.tensor([8, 5, 4, 9, 1, 7, 6, 3, 2, 0])


def _relabelled(labels: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    return torch.argsort(order)[labels]


def test_nothing_is_said_where_both_number_alike(honest: Scene) -> None:
    assert not found(LabelOrder, honest)


def test_classes_by_alphabet_are_found_and_the_models_order_is_spelled_out(gray: Trained) -> None:
    y = _relabelled(gray.y, BY_ALPHABET)
    samples = InMemory(gray.x, y, classes=tuple(sorted(NAMES)))
    (finding,) = found(LabelOrder, scene_of(gray.network, gray.x, y, samples=samples))
    assert finding.severity is Severity.BLOCK
    assert "--classes FILE" in finding.remedy
    assert ", ".join(NAMES) in finding.remedy


def test_labels_that_start_at_1_are_a_shift(gray: Trained) -> None:
    (finding,) = found(LabelOrder, scene_of(gray.network, gray.x, gray.y + 1))
    assert finding.title == "All labels are shifted"
    assert finding.remedy.startswith("Add -1 to every label of the data.")


def test_a_background_class_before_all_others_is_a_shift(gray: Trained) -> None:
    def network(z: torch.Tensor) -> torch.Tensor:
        answer = gray.network(z)
        return torch.cat([torch.full_like(answer[:, :1], -100.0), answer], 1)

    scene = scene_of(network, gray.x, gray.y, target=target_of(network, 11))
    (finding,) = found(LabelOrder, scene)
    assert finding.remedy.startswith("Add +1 to every label of the data.")


def test_two_exchanged_classes_are_enough(gray: Trained) -> None:
    swap = torch.arange(10)
    swap[[3, 5]] = swap[[5, 3]]
    (finding,) = found(LabelOrder, scene_of(gray.network, gray.x, swap[gray.y]))
    assert "label 3 is output 5, 5 is output 3 (" in finding.detail


@pytest.mark.parametrize("num_classes", [10, 100, 1000])
def test_random_answers_fit_no_numbering_however_many_there_are(num_classes: int) -> None:
    generator = torch.Generator().manual_seed(0)
    answers = torch.rand(256, num_classes, generator=generator)
    y = torch.randint(num_classes, (256,), generator=generator)
    x = torch.arange(256.0).view(256, 1, 1, 1) / 255.0

    def network(z: torch.Tensor) -> torch.Tensor:
        return answers[(z.flatten(1)[:, 0] * 255.0).round().long().clamp(0, 255)]

    assert not found(LabelOrder, scene_of(network, x, y, target=target_of(network, num_classes)))


def test_few_samples_do_not_make_a_numbering(gray: Trained) -> None:
    for n in (1, 2, 5):
        assert not found(LabelOrder, scene_of(gray.network, gray.x[:n], (gray.y[:n] + 1) % 10))


def test_who_states_the_accuracy_is_warned_and_not_stopped(gray: Trained) -> None:
    scene = scene_of(gray.network, gray.x, (gray.y + 1) % 10, expected_clean_accuracy=0.0)
    (finding,) = found(LabelOrder, scene)
    assert finding.severity is Severity.WARN
