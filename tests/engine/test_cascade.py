"""Each attack sees only what stands; what an attack does wrong is its own failure, never the model's strength."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from auditor import Access, Attack, Norm, Rng, Threat, View, parameter
from auditor.engine.attempt import Ring
from auditor.engine.inheritance import inherit
from auditor.engine.plan import make_plan
from auditor.engine.standing import Standing
from auditor.events import Event, ExamplesFound, Progress
from auditor.result.evidence import read_evidence
from auditor.result.record import INHERITED
from tests.engine.scenes import VALUES, Scene, Shift


@dataclass(frozen=True, kw_only=True)
class Broken(Shift):
    """Goes wrong in one of several ways."""

    name: ClassVar[str] = "broken"
    how: str = parameter("raise", help="how it goes wrong")

    def perturb(self, target: View, x: Tensor, y: Tensor, threat: Threat, rng: Rng) -> Any:
        if self.how == "raise":
            raise ZeroDivisionError("oh no")
        if self.how == "exit":
            raise SystemExit(0)
        if self.how == "nan":
            return x * torch.nan
        if self.how == "shape":
            return x[:, :, :1]
        if self.how == "none":
            return None
        if self.how == "find, then raise":
            target.logits(super().perturb(target, x, y, threat, rng))
            raise ZeroDivisionError("after the fact")
        return x + 10.0


@dataclass(frozen=True, kw_only=True)
class Slow(Shift):
    """Asks again and again."""

    name: ClassVar[str] = "slow"

    def perturb(self, target: View, x: Tensor, y: Tensor, threat: Threat, rng: Rng) -> Tensor:
        for _ in range(100_000):
            target.logits(x)
            time.sleep(0.001)
        return x


@dataclass(frozen=True, kw_only=True)
class Random(Shift):
    """Uniform noise."""

    name: ClassVar[str] = "random"

    def perturb(self, target: View, x: Tensor, y: Tensor, threat: Threat, rng: Rng) -> Tensor:
        return x + rng.uniform(*x.shape[1:], low=-threat.eps, high=threat.eps)


@pytest.fixture
def scene(target, images, memory, tmp_path: Path) -> Scene:
    x = images(VALUES)
    return Scene(target, memory(x, (x.flatten(1).mean(1) > 0.5).long()), tmp_path)


def test_what_fell_is_not_attacked_again(scene: Scene) -> None:
    first, second = scene.run(Shift(size=0.04), Shift(size=0.06))
    assert (first.attacked, first.broken) == (6, 1)
    assert (second.attacked, second.broken) == (5, 2)
    assert scene.outcomes == ["robust", "broken", "broken", "broken", "robust", "robust"]
    assert scene.standing.broken_by[2][0] == "shift"
    assert [run.name for run in (first, second)] == ["shift", "shift#2"]


def test_misclassified_samples_are_not_attacked(target, images, memory, tmp_path: Path) -> None:
    x = images([0.45, 0.7])
    scene = Scene(target, memory(x, torch.tensor([1, 1])), tmp_path)
    (run,) = scene.run(Shift(size=0.06))
    assert run.attacked == 1
    assert scene.outcomes == ["misclassified", "robust"]


def test_steps_that_go_too_far_are_brought_into_the_ball(scene: Scene) -> None:
    scene.run(Shift(size=1.0))
    assert scene.outcomes == ["robust", "broken", "broken", "broken", "broken", "robust"]
    assert all(found.distance <= 0.1 + 1e-6 for _, found in scene.standing.broken_by.values())


@pytest.mark.parametrize("how", ["raise", "exit", "nan", "shape", "none"])
def test_an_attack_that_goes_wrong_failed_and_the_next_one_runs(scene: Scene, how: str) -> None:
    failed, good = scene.run(Broken(how=how), Shift(size=0.06))
    assert failed.status == "failed"
    assert failed.reason
    assert (good.status, good.broken) == ("ran", 3)
    assert scene.outcomes == ["not_evaluated", "broken", "broken", "broken", "not_evaluated", "not_evaluated"]


def test_what_a_failing_attack_found_before_still_counts(scene: Scene) -> None:
    (run,) = scene.run(Broken(how="find, then raise"))
    assert (run.status, run.broken) == ("failed", 1)


def test_an_attack_that_overshoots_breaks_nothing_it_should_not(scene: Scene) -> None:
    (run,) = scene.run(Broken(how="overshoot"))
    assert run.status == "ran"
    assert scene.outcomes.count("broken") == 2


def test_when_the_time_is_up_samples_are_not_evaluated_rather_than_robust(
    target, images, memory, tmp_path: Path
) -> None:
    x = images(VALUES)
    samples = memory(x, (x.flatten(1).mean(1) > 0.5).long())
    scene = Scene(target, samples, tmp_path, deadline=time.monotonic() + 0.2)
    shift, slow = scene.run(Shift(size=0.06), Slow())
    assert shift.status == "ran"
    assert (slow.status, slow.reason.startswith("the time limit")) == ("timed out", True)
    assert scene.outcomes == ["not_evaluated", "broken", "broken", "broken", "not_evaluated", "not_evaluated"]


def test_an_attack_that_does_not_fit_is_skipped_with_a_reason(scene: Scene) -> None:
    scene.ring = Ring(target=scene.target, threat=Threat(norm=Norm.L2, eps=0.1), seed=0, margin=0.0)
    (run,) = scene.run(Shift())
    assert (run.status, run.attacked) == ("skipped", 0)
    assert "l2" in run.reason


def test_gradient_attacks_are_skipped_where_there_are_no_gradients(build, network, images, memory, tmp_path) -> None:
    x = images([0.45])
    target = build(network, gradients="none")

    @dataclass(frozen=True, kw_only=True)
    class White(Shift):
        """Needs gradients."""

        access: ClassVar[Access] = Access.GRADIENTS

    scene = Scene(target, memory(x, torch.tensor([0])), tmp_path)
    white, black = scene.run(White(size=0.06), Shift(size=0.06))
    assert (white.status, black.status, black.broken) == ("skipped", "ran", 1)


def test_evidence_holds_exactly_what_was_counted(scene: Scene, tmp_path: Path) -> None:
    scene.run(Shift(size=0.06))
    shards = list(read_evidence(tmp_path, "toy", "linf", 0.1))
    assert sorted(int(i) for s in shards for i in s.index) == sorted(scene.standing.broken_by)
    for kept in shards:
        assert np.allclose(np.abs(kept.adversarial - kept.original), 0.06, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 2, 5, 100])
def test_randomness_does_not_depend_on_the_batch_size(target, images, memory, tmp_path: Path, batch_size: int) -> None:
    generator = torch.Generator().manual_seed(0)
    x = images((torch.rand(40, generator=generator) * 0.16 + 0.42).tolist())
    samples = memory(x, (x.flatten(1).mean(1) > 0.5).long())
    reference = Scene(target, samples, tmp_path / "a")
    reference.run(Random(), Random(size=0.0), batch_size=7)
    other = Scene(target, samples, tmp_path / "b")
    other.run(Random(), Random(size=0.0), batch_size=batch_size)
    assert reference.standing.broken_by.keys() == other.standing.broken_by.keys()
    assert 0 < len(reference.standing.broken_by) < 40


def test_a_resumed_cascade_repeats_nothing_and_ends_the_same(target, network, images, memory, tmp_path: Path) -> None:
    x = images(VALUES)
    samples = memory(x, (x.flatten(1).mean(1) > 0.5).long())
    whole = Scene(target, samples, tmp_path / "whole")
    expected = whole.run(Shift(size=0.04), Random(), Shift(size=0.06), batch_size=2)

    class Stop(KeyboardInterrupt):
        pass

    halted = Scene(target, samples, tmp_path / "halted")

    def stop_after(events: list[Event]) -> Callable[[Event], None]:
        def listen(event: Event) -> None:
            events.append(event)
            if sum(isinstance(e, ExamplesFound) for e in events) == 2:
                raise Stop

        return listen

    plan = make_plan((Shift(size=0.04), Random(), Shift(size=0.06)), target, halted.ring.threat, 3)
    with pytest.raises(Stop):
        halted.follow(plan, 2, stop_after([]))
    halted.store.close()

    network.calls.clear()
    resumed = Scene(target, samples, tmp_path / "halted")
    after_clean = len(network.calls)
    runs = resumed.run(Shift(size=0.04), Random(), Shift(size=0.06), batch_size=2)
    assert [run.model_copy(update={"seconds": 0.0}) for run in runs] == [
        run.model_copy(update={"seconds": 0.0}) for run in expected
    ]
    assert resumed.standing.broken_by == whole.standing.broken_by
    resumed.store.close()
    again = Scene(target, samples, tmp_path / "halted")
    network.calls.clear()
    again.run(Shift(size=0.04), Random(), Shift(size=0.06), batch_size=2)
    assert network.calls == []
    assert after_clean == 1


def test_a_smaller_budgets_success_counts_for_a_larger_one_at_no_cost(scene: Scene, network) -> None:
    scene.run(Shift(size=0.06))
    larger = Standing(scene.standing.clean)
    network.calls.clear()
    run = inherit([scene.standing], larger, Threat(norm=Norm.LINF, eps=0.2))
    assert (run.name, run.attacked, run.broken, run.forwards) == (INHERITED, 6, 3, 0)
    assert network.calls == []
    assert larger.standing().tolist() == [0, 4, 5]


def test_a_twin_that_is_fooled_while_the_deployed_model_is_not_is_refuted(build, network, images, memory, tmp_path):
    """The twin's boundary lies 0.02 too near; demanding a larger margin mends it where the ball allows."""

    @dataclass(frozen=True, kw_only=True)
    class Creep(Shift):
        """Moves in small steps and stops as soon as the engine says so."""

        name: ClassVar[str] = "creep"
        access: ClassVar[Access] = Access.GRADIENTS

        def perturb(self, target: View, x: Tensor, y: Tensor, threat: Threat, rng: Rng) -> Tensor:
            for i in range(1, 101):
                candidate = x + threat.eps * i / 100 * (1.0 - 2.0 * y).view(-1, 1, 1, 1)
                target.gradient(candidate, y, lambda logits, labels: -logits.gather(1, labels[:, None])[:, 0])
            return candidate

    def twin(x: Tensor) -> Tensor:
        return network(x + 0.02)

    target = build(network, twin=twin, gradients="twin")
    x = images([0.45, 0.39])
    samples = memory(x, torch.tensor([0, 0]))
    scene = Scene(target, samples, tmp_path)
    scene.ring = Ring(target=target, threat=Threat(norm=Norm.LINF, eps=0.1), seed=0, margin=0.05)
    (run,) = scene.run(Creep())
    assert scene.outcomes == ["broken", "robust"]
    assert (run.broken, run.refuted) == (1, 0)


def test_memory_that_runs_out_halves_the_batch_and_loses_nothing(build, network, images, memory, tmp_path) -> None:
    def small(x: Tensor) -> Tensor:
        if len(x) > 2:
            raise torch.OutOfMemoryError("too large")
        return network(x)

    x = images(VALUES)
    scene = Scene(build(network), memory(x, (x.flatten(1).mean(1) > 0.5).long()), tmp_path)
    scene.target.deployed = small
    (run,) = scene.run(Shift(size=0.06), batch_size=6)
    assert (run.status, run.attacked, run.broken) == ("ran", 6, 3)
    assert scene.outcomes == ["robust", "broken", "broken", "broken", "robust", "robust"]


def test_progress_reaches_its_total(scene: Scene) -> None:
    scene.run(Shift(size=0.04))
    last = [event for event in scene.events if isinstance(event, Progress)][-1]
    assert (last.done, last.total) == (6, 6)


def test_an_attack_that_writes_into_its_arguments_moves_nothing(scene: Scene) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Vandal(Shift):
        """Turns the originals and the labels round."""

        def perturb(self, target: View, x: Tensor, y: Tensor, threat: Threat, rng: Rng) -> Tensor:
            x.copy_(1.0 - x)
            y.copy_(1 - y)
            return x

    scene.ring = Ring(target=scene.target, threat=Threat(norm=Norm.LINF, eps=0.001), seed=0, margin=0.0)
    scene.run(Vandal())
    assert set(scene.outcomes) == {"robust"}


def test_a_model_that_answers_nan_under_attack_is_not_robust_there(build, network, images, memory, tmp_path) -> None:
    """NaN in a band just inside the boundary, as an overflow would give it."""

    def breaking(x: Tensor) -> Tensor:
        logits = network(x)
        return torch.where((x.flatten(1).mean(1) > 0.49)[:, None] & (logits[:, :1] > 0), torch.nan, logits)

    x = images([0.10, 0.45])
    scene = Scene(build(breaking), memory(x, torch.tensor([0, 0])), tmp_path)
    scene.ring = Ring(target=scene.target, threat=Threat(norm=Norm.LINF, eps=0.045), seed=0, margin=0.0)
    (run,) = scene.run(Shift(size=0.045))
    assert scene.outcomes == ["robust", "not_evaluated"]
    assert (run.broken, run.unanswered) == (0, 1)


def test_a_ruled_out_class_does_not_protect_a_model(build, network, images, memory, tmp_path) -> None:
    def three(x: Tensor) -> Tensor:
        return torch.cat([network(x), torch.full((len(x), 1), -torch.inf)], 1)

    x = images([0.45])
    scene = Scene(build(three, num_classes=3), memory(x, torch.tensor([0])), tmp_path)
    (run,) = scene.run(Shift(size=0.06))
    assert run.broken == 1


@pytest.mark.parametrize("what", ["label", "passes", "unfit"])
def test_an_attack_that_cannot_speak_of_itself_failed(scene: Scene, what: str) -> None:
    def broken(self: Attack, *_: object) -> object:
        raise KeyError("oh no")

    body = property(broken) if what == "label" else broken
    odd = dataclass(frozen=True, kw_only=True)(type("Odd", (Shift,), {what: body, "__doc__": "Odd."}))
    (run,) = scene.run(odd())
    assert run.status == "failed"
    assert set(scene.outcomes) == {"not_evaluated"}


class Preview(Shift):
    """As `Shift`, and not proven yet."""

    name: ClassVar[str] = "preview"
    stage: ClassVar[str] = "preview"


def test_attacks_in_preview_come_last_so_that_they_take_nothing_from_those_that_gate(scene: Scene) -> None:
    first, last = scene.run(Preview(size=0.06), Shift(size=0.06))
    assert (first.stage, last.stage) == ("stable", "preview")
    assert first.broken > 0
    assert last.broken == 0
