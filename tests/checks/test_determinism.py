from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from auditor.check import Severity
from auditor.engine.scene import Scene
from auditor_checks.determinism import Determinism
from tests.checks.conftest import Trained
from tests.checks.scenes import found, scene_of


def test_nothing_is_said_of_models_that_repeat_themselves(honest: Scene) -> None:
    assert not found(Determinism, honest)


def test_rounding_that_differs_from_pass_to_pass_is_not_randomness(gray: Trained) -> None:
    def network(z: Tensor) -> Tensor:
        return gray.network(z) * (1.0 + 1e-6 * torch.randn(len(z), 10))

    assert not found(Determinism, scene_of(network, gray.x, gray.y))


def test_dropout_as_a_function_warns_that_chance_decides(gray: Trained) -> None:
    # Its argument `training` is True unless one says otherwise.
    (finding,) = found(Determinism, scene_of(lambda z: functional.dropout(gray.network(z)), gray.x, gray.y))
    assert finding.severity is Severity.WARN
    assert "random" in finding.title


def test_a_coin_for_a_whole_batch_that_fell_alike_five_times_is_noticed(gray: Trained) -> None:
    tosses = iter([0] * 5 + [0, 1] * 50)

    def network(z: Tensor) -> Tensor:
        return gray.network(z).roll(next(tosses), 1)

    scene = scene_of(network, gray.x, gray.y)
    tosses = iter([0] * 5 + [0, 1] * 50)  # whatever making the scene has asked
    (finding,) = found(Determinism, scene)
    assert "In 16 passes over the same samples, 4 of 4 answers changed class" in finding.detail


def test_noise_that_changes_no_answer_warns(gray: Trained) -> None:
    def network(z: Tensor) -> Tensor:
        answer = gray.network(z)
        return answer + torch.rand(len(z), 1) * answer.norm(dim=1, keepdim=True)

    (finding,) = found(Determinism, scene_of(network, gray.x, gray.y))
    assert finding.severity is Severity.WARN
    assert "0 of 256" in finding.detail
