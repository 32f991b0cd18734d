from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from auditor.check import Severity
from auditor.engine.scene import Scene
from auditor.target.preprocessing import Preprocessing
from auditor_checks.labels import LabelOrder
from auditor_checks.wiring import ModelWiring, best_variant
from tests.checks.conftest import Trained
from tests.checks.scenes import digits, found, scene_of, target_of, tinted, trained

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CAFFE = ((103.939, 116.779, 123.68), (1.0, 1.0, 1.0))


def _normalised(mean: tuple[float, ...], std: tuple[float, ...]) -> Callable[[Tensor], Tensor]:
    return lambda x: (x - torch.tensor(mean).view(1, -1, 1, 1)) / torch.tensor(std).view(1, -1, 1, 1)


@dataclass(frozen=True)
class Case:
    """What a network was trained on, and the flags that say so."""

    pipeline: Callable[[Tensor], Tensor]
    flags: str
    coloured: bool = True


CASES = {
    "0 to 255": Case(lambda x: 255.0 * x, "--input-range 0,255", coloured=False),
    "-1 to 1": Case(lambda x: 2.0 * x - 1.0, "--input-range -1,1", coloured=False),
    "ImageNet": Case(_normalised(*IMAGENET), "--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225"),
    "BGR": Case(lambda x: x.flip(1), "--channel-order bgr"),
    "Caffe": Case(
        lambda x: _normalised(*CAFFE)(255.0 * x.flip(1)),
        "--input-range 0,255 --mean 103.939,116.779,123.68 --std 1,1,1 --channel-order bgr",
    ),
    "inverted": Case(lambda x: 1.0 - x, "--input-range 1,0", coloured=False),
}


def _scene(case: Case) -> Scene:
    x, y, other, labels = digits(512)
    if case.coloured:
        (x, y), (other, labels) = tinted(x, y), tinted(other, labels)
    return scene_of(trained(x, y, case.pipeline), other[:256], labels[:256])


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_flags_that_a_model_lacks_are_named(case: Case) -> None:
    scene = _scene(case)
    (finding,) = found(ModelWiring, scene)
    assert finding.severity is Severity.BLOCK
    assert finding.remedy.startswith(f"Add {case.flags}.")
    best = best_variant(scene)
    assert best is not None
    assert best.after > 0.9
    assert not found(LabelOrder, scene)
    assert f"{100 * best.after:.1f} %" in finding.detail


def test_nothing_is_said_of_a_model_that_is_wired_right(honest: Scene) -> None:
    assert not found(ModelWiring, honest)


def test_nothing_is_said_where_the_user_gave_the_right_flags() -> None:
    scene = _scene(CASES["ImageNet"])
    mean, std = IMAGENET
    right = target_of(scene.target.deployed, preprocessing=Preprocessing(mean=mean, std=std))
    assert not found(ModelWiring, scene_of(scene.target.deployed, scene.x, scene.y, target=right))


def test_flags_that_the_user_gave_in_vain_are_taken_back_and_mentioned(colour: Trained) -> None:
    wrong = target_of(colour.network, preprocessing=Preprocessing(mean=(2.0,), std=(0.3,)))
    scene = scene_of(colour.network, colour.x, colour.y, target=wrong, mean=(2.0,), std=(0.3,))
    (finding,) = found(ModelWiring, scene)
    assert "Add --mean 0,0,0 --std 1,1,1." in finding.remedy
    assert "You set --mean, --std yourself" in finding.detail


def test_exchanged_height_and_width_are_found_though_no_flag_mends_them(gray: Trained) -> None:
    (finding,) = found(ModelWiring, scene_of(gray.network, gray.x.transpose(2, 3).contiguous(), gray.y))
    assert "Store the images with height and width exchanged." in finding.remedy


def test_a_network_that_flattens_in_the_other_layout_is_found() -> None:
    x, y, other, labels = digits(512)
    (x, y), (other, labels) = tinted(x, y), tinted(other, labels)
    network = trained(x, y, lambda z: z.permute(0, 2, 3, 1))
    flat = target_of(network, preprocessing=Preprocessing(layout="flat"))
    (finding,) = found(ModelWiring, scene_of(network, other, labels, target=flat))
    assert "Add --layout nhwc." in finding.remedy


def test_two_mistakes_at_once_are_found() -> None:
    x, y, other, labels = digits()
    network = trained(x, y, lambda z: 255.0 * z)
    scene = scene_of(network, other.transpose(2, 3).contiguous(), labels)
    (finding,) = found(ModelWiring, scene)
    assert "Store the images with height and width exchanged and add --input-range 0,255." in finding.remedy


@pytest.mark.parametrize("n", [30, 100])
def test_a_weak_model_is_not_taken_for_a_badly_wired_one(n: int) -> None:
    x, y, other, labels = digits()
    network = trained(x[:n], y[:n])
    scene = scene_of(network, other, labels)
    assert float((network(other).argmax(1) == labels).float().mean()) < 0.9
    assert not found(ModelWiring, scene)


def test_who_states_the_accuracy_is_warned_and_not_stopped() -> None:
    scene = _scene(CASES["ImageNet"])
    (first,) = found(ModelWiring, scene)
    said = re.search(r"--expected-clean-accuracy (\d\.\d+)", first.remedy)
    assert said is not None
    sure = scene_of(scene.target.deployed, scene.x, scene.y, expected_clean_accuracy=float(said[1]))
    (second,) = found(ModelWiring, sure)
    assert second.severity is Severity.WARN


def _worse_in_unit_pixels(gray: Trained, every: int) -> Callable[[Tensor], Tensor]:
    """The model, but for pixels from 0 to 1 each so many-th picture gets the class after the right one."""

    def network(z: Tensor) -> Tensor:
        scaled = z.amax() > 1.5
        unit = (z - z.amin()) / (z.amax() - z.amin())
        answer = gray.network(unit)
        chosen = (unit.flatten(1).sum(1) * 16.0).round().long() % every == 0
        return torch.where((chosen & ~scaled)[:, None], answer.roll(1, 1), answer)

    return network


def test_a_gain_of_a_few_points_is_not_held_against_the_wiring(gray: Trained) -> None:
    network = _worse_in_unit_pixels(gray, 17)
    scene = scene_of(network, gray.x, gray.y)
    now, then = ((network(x).argmax(1) == gray.y).float().mean() for x in (gray.x, 255.0 * gray.x))
    assert 0.02 < then - now <= 0.05
    assert not found(ModelWiring, scene)


def test_a_gain_of_more_than_a_few_points_is(gray: Trained) -> None:
    (finding,) = found(ModelWiring, scene_of(_worse_in_unit_pixels(gray, 10), gray.x, gray.y))
    assert finding.severity is Severity.BLOCK


def test_a_gain_that_chance_explains_is_not_told(gray: Trained) -> None:
    network = _worse_in_unit_pixels(gray, 10)
    hits = network(gray.x).argmax(1) == gray.y
    wrong, right = (~hits).nonzero()[:, 0], hits.nonzero()[:, 0]
    # Two or three of twenty better and none worse: one time in eight, at best, by chance alone.
    few = torch.cat([wrong[:3], right[:17]])
    x, y = gray.x[few], gray.y[few]
    assert float((network(255.0 * x).argmax(1) == y).float().mean() - (network(x).argmax(1) == y).float().mean()) > 0.09
    assert not found(ModelWiring, scene_of(network, x, y))


def test_a_preprocessing_under_which_the_model_guesses_is_no_improvement(gray: Trained) -> None:
    # Worse than guessing as it is, since every answer is a wrong one; always the same class with any other scale.
    def network(z: Tensor) -> Tensor:
        answer = gray.network(z).argmax(1)
        if z.amax() > 1.5 or z.amin() < 0.0:
            return torch.eye(10)[torch.zeros_like(answer)]
        step = 1 + (z.flatten(1).sum(1) * 16.0).round().long() % 9
        return torch.eye(10)[(answer + step) % 10]

    scene = scene_of(network, gray.x, gray.y)
    assert best_variant(scene) is None
    assert not found(LabelOrder, scene)


def test_samples_that_are_no_images_are_left_alone(gray: Trained) -> None:
    scene = scene_of(gray.network, 0.05 * gray.x.flatten(1), gray.y)
    assert not found(ModelWiring, scene)


def test_a_permutation_of_the_labels_is_not_blamed_on_the_preprocessing(gray: Trained) -> None:
    scene = scene_of(gray.network, gray.x, (gray.y + 1) % 10)
    assert not found(ModelWiring, scene)
    assert found(LabelOrder, scene)


def test_where_flags_and_another_numbering_explain_as_much_the_flags_have_the_word(gray: Trained) -> None:
    def network(z: Tensor) -> Tensor:
        answer = gray.network((z - z.amin()) / (z.amax() - z.amin()))
        return answer if z.amax() > 1.5 else answer.roll(1, 1)

    scene = scene_of(network, gray.x, gray.y)
    assert found(ModelWiring, scene)
    assert not found(LabelOrder, scene)


def test_the_search_costs_few_passes() -> None:
    scene = _scene(CASES["Caffe"])
    asked = [0]

    def counting(z: Tensor) -> Tensor:
        asked[0] += len(z)
        return scene.target.deployed(z)

    assert found(ModelWiring, scene_of(counting, scene.x, scene.y))
    assert asked[0] <= 10 * len(scene.x)
