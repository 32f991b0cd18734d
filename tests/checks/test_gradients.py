from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from auditor.check import Severity
from auditor.engine.preflight import apply
from auditor.engine.scene import Scene
from auditor.target import notices
from auditor.target.head import Head
from auditor.target.through import Past
from auditor_checks.finite import FiniteAnswers
from auditor_checks.gradients import Differentiable, UsefulGradients
from auditor_checks.useless import UselessGradients
from tests.checks.conftest import Trained
from tests.checks.scenes import found, scene_of, target_of


def test_nothing_is_said_of_models_with_gradients(honest: Scene) -> None:
    assert not found(Differentiable, honest)
    assert not found(UsefulGradients, honest)
    assert not honest.x.requires_grad


def test_a_model_without_a_twin_is_judged_by_black_box_attacks_alone(gray: Trained) -> None:
    blind = target_of(gray.network, twin=None, gradients="none")
    scene = scene_of(gray.network, gray.x, gray.y, target=blind)
    (finding,) = found(Differentiable, scene)
    assert finding.severity is Severity.WARN
    assert "black-box" in finding.detail
    assert not found(UsefulGradients, scene)


def test_what_the_loader_said_of_a_missing_twin_is_not_said_twice(gray: Trained) -> None:
    said = [notices.no_twin("The operator Foo is unknown.")]
    blind = target_of(gray.network, twin=None, gradients="none", findings=said)
    assert not found(Differentiable, scene_of(gray.network, gray.x, gray.y, target=blind))


def _detaches(z: Tensor) -> Tensor:
    return z.detach().flatten(1)[:, :10] + 0.0


def _leaves_torch(z: Tensor) -> Tensor:
    return torch.from_numpy(z.numpy()).flatten(1)[:, :10]


def _votes(z: Tensor) -> Tensor:
    return functional.one_hot(z.flatten(1)[:, :10].argmax(1), 10).float()


@pytest.mark.parametrize(
    ("network", "through"), [(_detaches, Past.BACKWARDS), (_leaves_torch, None), (_votes, Past.STEPS)]
)
def test_a_broken_graph_is_seen_and_attacks_follow_the_least_that_gets_past_it(
    gray: Trained, network: Callable[[Tensor], Tensor], through: Past | None
) -> None:
    scene = scene_of(network, gray.x, gray.y)
    (finding,) = found(Differentiable, scene)
    assert finding.severity is Severity.WARN
    assert ("Only black-box attacks" in finding.detail) == (through is None)
    assert not found(UsefulGradients, scene)
    apply([finding], scene.target, scene.x)
    assert (scene.target.twin is None) == (through is None)
    assert scene.target.through == (through or Past.NOTHING)


def test_a_layer_that_swallows_gradients_makes_the_audit_inconclusive(gray: Trained) -> None:
    (finding,) = found(UsefulGradients, scene_of(lambda z: gray.network((255 * z).round() / 255), gray.x, gray.y))
    assert finding.severity is Severity.INCONCLUSIVE


def test_cross_entropy_that_underflows_warns_while_the_margin_still_has_a_slope(gray: Trained) -> None:
    (finding,) = found(UsefulGradients, scene_of(lambda z: 1000.0 * gray.network(z), gray.x, gray.y))
    assert finding.severity is Severity.WARN
    assert "dlr" in finding.remedy


def test_probabilities_that_saturated_lose_the_margin_too(gray: Trained) -> None:
    def network(z: Tensor) -> Tensor:
        return (100.0 * gray.network(z)).softmax(1)

    sure = target_of(network, head=Head.PROBABILITIES, twin_head=Head.PROBABILITIES)
    (finding,) = found(UsefulGradients, scene_of(network, gray.x, gray.y, target=sure))
    assert finding.severity is Severity.INCONCLUSIVE


def test_gradients_that_are_no_numbers_make_the_audit_inconclusive_until_they_are_mended(gray: Trained) -> None:
    # The square root of a black pixel has an infinite slope, and times zero it is NaN.
    (finding,) = found(UsefulGradients, scene_of(lambda z: gray.network(z.sqrt() ** 2), gray.x, gray.y))
    assert finding.severity is Severity.INCONCLUSIVE
    assert finding.title == "Gradients are NaN or infinite"
    assert finding.code in UselessGradients.settles


def test_few_gradients_that_are_no_numbers_warn(gray: Trained) -> None:
    def network(z: Tensor) -> Tensor:
        return gray.network(torch.cat([z[:2].sqrt() ** 2, z[2:]]))

    (finding,) = found(UsefulGradients, scene_of(network, gray.x[:60], gray.y[:60]))
    assert finding.severity is Severity.WARN


def test_answers_that_are_no_numbers_explain_such_gradients(gray: Trained) -> None:
    def network(z: Tensor) -> Tensor:
        too_large = (z.flatten(1).sum(1) > 20.0)[:, None]
        return gray.network(z) * torch.where(too_large, float("inf"), 1.0)

    scene = scene_of(network, gray.x, gray.y)
    assert not found(UsefulGradients, scene)
    assert found(FiniteAnswers, scene)


def test_samples_that_are_misclassified_anyway_need_no_gradient(gray: Trained) -> None:
    def network(z: Tensor) -> Tensor:
        answer = gray.network(z)
        return torch.where((answer.argmax(1) == 3)[:, None], answer.detach().roll(1, 1), answer)

    assert not found(UsefulGradients, scene_of(network, gray.x, gray.y))
