"""A threat without a radius: every attack sees every sample, and the smallest example counts."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from auditor import Access, Attack, Norm, Threat, parameter
from auditor.engine.inheritance import inherit
from auditor.engine.nearest import Nearest
from auditor.engine.standing import Standing
from tests.engine.scenes import Scene

AUTO = Threat(norm=Norm.LINF, eps=math.inf)


@dataclass(frozen=True, kw_only=True)
class Shift(Attack):
    """Adds a constant in both directions. The toy's samples fall at the distance of their mean from one half."""

    name: ClassVar[str] = "shift"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF})
    access: ClassVar[Access] = Access.SCORES
    minimal: ClassVar[bool] = True
    size: float = parameter(0.3, help="By how much.")
    heard: ClassVar[list[list[float]]] = []

    def perturb(self, target: Any, x: Any, y: Any, threat: Threat, rng: Any) -> Any:
        self.heard.append(target.nearest_distance.tolist())
        for sign in (-1.0, 1.0):
            target.logits((x + sign * self.size).clamp(0.0, 1.0))
        return x


@dataclass(frozen=True, kw_only=True)
class Bounded(Shift):
    """Knows what to do within a budget only."""

    name: ClassVar[str] = "bounded"
    minimal: ClassVar[bool] = False


@pytest.fixture
def scene(network: Any, build: Any, images: Any, memory: Any, tmp_path: Path) -> Scene:
    Shift.heard.clear()
    means = [0.45, 0.3, 0.7, 0.52, 0.1]
    target = build(network)
    scene = Scene(target, memory(images(means), torch.tensor([0, 0, 1, 1, 0])), tmp_path, threat=AUTO)
    scene.standing = Standing(scene.standing.clean, minimal=True)
    scene.memory = Nearest(tmp_path / "near", len(means))  # type: ignore[assignment]
    return scene


def sizes(scene: Scene) -> dict[int, float]:
    return {index: found.distance for index, (_, found) in sorted(scene.standing.broken_by.items())}


def test_the_smallest_example_of_all_attacks_counts(scene: Scene) -> None:
    runs = scene.run(Shift(size=0.25), Shift(size=0.1))
    assert sizes(scene) == pytest.approx({0: 0.05, 1: 0.2, 2: 0.2, 3: 0.02}, rel=0.01)
    assert [run.attacked for run in runs] == [5, 5]
    assert runs[0].broken == 4
    assert scene.outcomes == ["broken", "broken", "broken", "broken", "robust"]


def test_later_attacks_are_told_what_is_known(scene: Scene) -> None:
    scene.run(Shift(size=0.25), Shift(size=0.01), batch_size=5)
    assert Shift.heard[0] == [math.inf] * 5
    assert Shift.heard[1] == pytest.approx([0.05, 0.2, 0.2, 0.02, math.inf], rel=0.01)


def test_what_is_larger_than_what_is_known_replaces_nothing(scene: Scene) -> None:
    first, second = scene.run(Shift(size=0.1), Shift(size=0.41))
    assert (first.broken, second.broken) == (2, 3)
    assert scene.standing.broken_by[0][0] == first.name
    assert scene.standing.broken_by[4][0] == second.name


def test_attacks_that_need_a_budget_are_skipped_and_say_so(scene: Scene) -> None:
    (run,) = scene.run(Bounded())
    assert (run.status, run.attacked) == ("skipped", 0)
    assert "budget" in run.reason


def test_examples_count_for_every_budget_that_holds_them(scene: Scene) -> None:
    scene.run(Shift(size=0.25))
    within = Standing(scene.standing.clean)
    run = inherit([scene.standing], within, Threat(norm=Norm.LINF, eps=0.1))
    assert run.broken == 2
    assert within.standing().tolist() == [1, 2, 4]


def test_a_resumed_run_asks_nothing_again_and_knows_the_same(scene: Scene, network: Any) -> None:
    scene.run(Shift(size=0.25), Shift(size=0.1))
    before = sizes(scene)
    again = Scene.__new__(Scene)
    again.__dict__.update(scene.__dict__)
    again.standing = Standing(scene.standing.clean, minimal=True)
    again.memory = Nearest(scene.store.run / "near", 5)  # type: ignore[assignment]
    network.calls.clear()
    again.run(Shift(size=0.25), Shift(size=0.1))
    assert network.calls == []
    assert sizes(again) == before


def test_a_budget_takes_over_from_every_threat_of_its_norm(scene: Scene) -> None:
    scene.run(Shift(size=0.25))
    other = Standing(scene.standing.clean)
    found = scene.standing.broken_by[1][1]
    other.note("elsewhere", [replace(found, index=4, distance=0.09), replace(found, index=0, distance=0.01)])
    within = Standing(scene.standing.clean)
    run = inherit([scene.standing, other], within, Threat(norm=Norm.LINF, eps=0.1))
    assert run.broken == 3
    assert {i: round(item.distance, 2) for i, (_, item) in within.broken_by.items()} == {0: 0.01, 3: 0.02, 4: 0.09}


def test_what_a_budget_found_counts_for_the_smallest_changes_where_it_is_smaller(scene: Scene) -> None:
    scene.run(Shift(size=0.25))
    found = scene.standing.broken_by[1][1]
    within = Standing(scene.standing.clean)
    within.note("elsewhere", [replace(found, index=4, distance=0.4), replace(found, index=1, distance=0.3)])
    run = inherit([within], scene.standing, AUTO)
    assert run.broken == 1
    assert scene.standing.broken_by[4][0] == run.name
    assert scene.standing.broken_by[1][1].distance == pytest.approx(0.2, rel=0.01)
