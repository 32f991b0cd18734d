"""A universal attack learns once; its pattern is kept, shown and used again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from auditor import Norm, Threat
from auditor.engine.standing import Standing
from auditor_attacks.uap import UAP
from tests.engine.scenes import Scene
from tests.oracles import Linear

ATTACK = UAP(steps=60, batch=4, learn_from=4)


@pytest.fixture
def scene(memory: Any, tmp_path: Path) -> Scene:
    linear = Linear.draw((1, 5, 5), 2, 20, Norm.LINF)
    same = linear.y == linear.y[0]
    threat = Threat(norm=Norm.LINF, eps=1.05 * linear.eps)
    return Scene(linear.target, memory(linear.x[same], linear.y[same]), tmp_path, threat=threat)


def test_the_pattern_is_learned_once_and_every_sample_costs_one_pass(scene: Scene) -> None:
    (done,) = scene.run(ATTACK, batch_size=2)
    n = len(scene.samples)
    assert n > 4
    assert (done.status, done.attacked, done.broken) == ("ran", n, n)
    assert (done.forwards, done.backwards) == (60 * 4 + n, 60 * 4)


def test_the_pattern_lies_beside_the_run_with_a_picture(scene: Scene) -> None:
    scene.run(ATTACK)
    (path,) = (scene.store.run / "patterns").glob("*.npy")
    pattern = np.load(path)
    assert pattern.shape == (1, 5, 5)
    assert np.abs(pattern).max() <= scene.ring.threat.eps + 1e-6
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_a_resumed_run_takes_the_pattern_that_was_learned(scene: Scene) -> None:
    scene.run(ATTACK)
    (path,) = (scene.store.run / "patterns").glob("*.npy")
    np.save(path, np.zeros((1, 5, 5), dtype=np.float32))
    scene.standing = Standing(scene.standing.clean)
    (done,) = scene.run(UAP(steps=60, batch=4, learn_from=4, places=2))
    # What was learned anew would have broken them.
    assert done.broken == 0
    assert done.backwards == 0


def test_an_attack_that_learns_nothing_has_failed_and_nobody_is_called_robust(scene: Scene, monkeypatch: Any) -> None:
    monkeypatch.setattr(UAP, "learn", lambda self, target, x, y, threat, rng: torch.full((1, 5, 5), torch.nan))
    (done,) = scene.run(ATTACK)
    assert (done.status, done.attacked) == ("failed", 0)
    assert set(scene.outcomes) == {"not_evaluated"}
