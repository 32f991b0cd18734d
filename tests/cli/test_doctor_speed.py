"""Passes per second: what is counted, and how long that takes."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from auditor.cli.doctor_speed import measure
from auditor.target.base import ModelOptions, Target

X = torch.rand(2, 4)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that only moves when a model runs, so that a busy machine changes nothing."""
    made = SimpleNamespace(now=0.0)
    monkeypatch.setattr("auditor.cli.doctor_speed.time", SimpleNamespace(perf_counter=lambda: made.now))
    return made


def target(
    clock: SimpleNamespace, seconds: float, *, twin: bool = True, each: bool = False
) -> tuple[Target, list[int]]:
    """A model whose passes take so many seconds, or so many for each sample; and the batches that it saw."""
    batches: list[int] = []

    def network(x: Tensor) -> Tensor:
        batches.append(len(x))
        clock.now += seconds * len(x) if each else seconds
        return 2 * x

    made = Target(
        name="m",
        source="m",
        sha256="",
        format="onnx",
        deployed=network,
        twin=network if twin else None,
        gradients="twin" if twin else "none",
        input_shape=None,
        options=ModelOptions(),
        device=torch.device("cpu"),
    )
    return made, batches


def test_samples_a_second_are_those_of_the_model(clock: SimpleNamespace) -> None:
    speed = measure(target(clock, 0.02)[0], X)
    assert speed.twin is not None
    assert speed.gradients is not None
    for rate in (speed.deployed, speed.twin, speed.gradients):
        assert rate == pytest.approx(speed.batch / 0.02)


def test_a_slow_model_is_asked_for_one_sample_at_a_time_and_as_seldom_as_can_be(clock: SimpleNamespace) -> None:
    slow, batches = target(clock, 0.45)
    speed = measure(slow, X)
    assert batches == [1, 1, 1, 1]
    assert speed.deployed == pytest.approx(1 / 0.45)


def test_batches_are_as_large_as_the_time_allows(clock: SimpleNamespace) -> None:
    assert measure(target(clock, 0.02, each=True, twin=False)[0], X).batch == 4


def test_without_a_twin_there_is_nothing_to_say_of_it(clock: SimpleNamespace) -> None:
    speed = measure(target(clock, 0.01, twin=False)[0], X)
    assert (speed.twin, speed.gradients) == (None, None)


def test_a_constant_answer_is_no_obstacle(clock: SimpleNamespace) -> None:
    made, _ = target(clock, 0.01)

    def constant(x: Tensor) -> Tensor:
        clock.now += 0.01
        return torch.ones_like(x)

    made.twin = constant
    assert measure(made, X).gradients is not None
