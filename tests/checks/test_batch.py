from __future__ import annotations

import torch
from torch import Tensor, nn

from auditor.check import Severity
from auditor.engine.scene import Scene
from auditor.target.binding import bind_to
from auditor.target.head import Head
from auditor_checks.batch import BatchInvariance
from tests.checks.conftest import Trained
from tests.checks.scenes import found, scene_of, target_of


def test_nothing_is_said_of_models_that_judge_samples_one_by_one(honest: Scene) -> None:
    assert not found(BatchInvariance, honest)


def test_nothing_is_said_of_probabilities_or_of_a_single_sample(gray: Trained) -> None:
    sure = target_of(lambda z: (10.0 * gray.network(z)).softmax(1), head=Head.PROBABILITIES)
    assert not found(BatchInvariance, scene_of(gray.network, gray.x, gray.y, target=sure))
    assert not found(BatchInvariance, scene_of(gray.network, gray.x[:1], gray.y[:1]))


def test_batch_norm_on_the_batch_stops_the_audit(gray: Trained) -> None:
    module = nn.Sequential(gray.network, nn.BatchNorm1d(10, affine=False).train())

    def network(z: Tensor) -> Tensor:
        # A batch of one has no variance; such models answer zeros then.
        return module(z) if len(z) > 1 else torch.zeros(1, 10)

    (finding,) = found(BatchInvariance, scene_of(network, gray.x, gray.y))
    assert finding.severity is Severity.BLOCK
    assert "--batch-size 1" in finding.remedy


def test_a_scale_that_is_taken_over_the_batch_warns(gray: Trained) -> None:
    def network(z: Tensor) -> Tensor:
        # What dynamic quantisation does: one step for the whole batch.
        answer = gray.network(z)
        step = answer.abs().max() / 127.0
        return (answer / step).round() * step

    (finding,) = found(BatchInvariance, scene_of(network, gray.x, gray.y))
    assert finding.severity is Severity.WARN


def test_rows_that_are_mixed_up_are_seen(gray: Trained) -> None:
    def network(z: Tensor) -> Tensor:
        return gray.network(z).sort(0).values

    (finding,) = found(BatchInvariance, scene_of(network, gray.x, gray.y))
    assert finding.severity is Severity.BLOCK


def test_who_audits_one_sample_at_a_time_is_not_stopped(gray: Trained) -> None:
    def network(z: Tensor) -> Tensor:
        return gray.network(z).sort(0).values

    (finding,) = found(BatchInvariance, scene_of(network, gray.x, gray.y, batch_size=1))
    assert finding.severity is Severity.WARN


def test_a_model_that_the_audit_therefore_asks_one_by_one_is_not_passed_over(gray: Trained) -> None:
    def network(z: Tensor) -> Tensor:
        return gray.network(z - 2.0 * (z.mean((0, 2, 3), keepdim=True) - 0.3))

    target = target_of(network)
    bind_to(target, gray.x)
    assert target.batching != "native", "else this tests nothing"
    (finding,) = found(BatchInvariance, scene_of(network, gray.x, gray.y, target=target))
    assert "--batch-size 1" in finding.remedy


def test_a_model_that_takes_single_samples_only_is_none_of_its_business(gray: Trained) -> None:
    def network(z: Tensor) -> Tensor:
        if len(z) != 1:
            raise ValueError("one at a time")
        return gray.network(z)

    target = target_of(network)
    bind_to(target, gray.x)
    assert not found(BatchInvariance, scene_of(network, gray.x, gray.y, target=target))


def test_a_coin_that_falls_alike_twice_is_chance_and_no_matter_of_batches(gray: Trained) -> None:
    falls = iter([0, 0, *[0, 1] * 100])

    def network(z: Tensor) -> Tensor:
        return gray.network(z) if next(falls) == 0 else gray.network(1.0 - z)

    assert not found(BatchInvariance, scene_of(network, gray.x, gray.y))
