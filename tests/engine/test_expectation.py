"""A model that answers at random is judged over draws, and asked anew about its worst points."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from auditor import Norm, Severity, Threat
from auditor.check import Finding
from auditor.engine.aims import Aims
from auditor.engine.expectation import fooled_clean, fooled_worst
from auditor.engine.preflight import apply, safety_margin
from auditor.engine.referee import judge
from auditor.target.notices import RANDOM
from auditor_attacks.pgd import PGD
from tests.engine.scenes import Scene

LINF = Threat(norm=Norm.LINF, eps=0.1)


def noisy(scale: float) -> Callable[[Tensor], Tensor]:
    """Class 1 where the mean pixel exceeds one half, give or take `scale`."""

    def network(x: Tensor) -> Tensor:
        score = x.flatten(1).mean(1) - 0.5 + scale * (2.0 * torch.rand(len(x)) - 1.0)
        return 10.0 * torch.stack([-score, score], 1)

    return network


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def test_what_one_draw_in_ten_gets_wrong_does_not_count(build, images) -> None:
    target = build(noisy(0.05))
    x, y = images([0.45] * 20), torch.zeros(20, dtype=torch.long)
    rarely = images([0.46] * 20)  # Wrong in one draw of ten.
    target.draws = 20
    assert not judge(target, x, rarely, Aims(y), LINF).counts.any()
    often = images([0.54] * 20)
    assert judge(target, x, often, Aims(y), LINF).counts.all()


def test_what_preflight_finds_to_be_random_is_judged_over_draws(build, images) -> None:
    target = build(noisy(0.05))
    apply([Finding(code=RANDOM, severity=Severity.WARN, title="", detail="")], target, images([0.5]))
    assert target.draws == 20
    apply([Finding(code=RANDOM, severity=Severity.WARN, title="", detail="")], target, images([0.5]), 50)
    assert target.draws == 50


def test_fresh_draws_are_taken_at_examples_and_where_nothing_fell_at_the_closest_points(
    build, images, memory, tmp_path: Path
) -> None:
    # Noise of 0.02 around distances 0.05 (falls), 0.11 (one draw in four is wrong at best), 0.40 and none (wrong).
    target = build(noisy(0.02))
    target.draws = 40
    x = images([0.45, 0.39, 0.10, 0.90])
    scene = Scene(target, memory(x, torch.tensor([0, 0, 0, 0])), tmp_path, threat=LINF, draws=8)
    scene.ring = replace(scene.ring, margin=0.2)  # Margins of single draws scatter by 0.23.
    scene.run(PGD(steps=10))
    assert scene.outcomes == ["broken", "robust", "robust", "misclassified"]
    clean = fooled_clean(target, scene.samples, 4, scene.batches().store, ("clean",))
    fooled = fooled_worst(scene.batches(), clean)
    assert fooled.shape == (40, 4)
    assert fooled[:, 0].mean() > 0.5
    assert 0.0 < fooled[:, 1].mean() < 0.5
    assert fooled[:, 2].sum() == 0
    assert fooled[:, 3].all()
    # A resumed run says the same, though what came closest is forgotten when a threat is done.
    scene.batches().memory.forget()
    assert (fooled_worst(scene.batches(), clean) == fooled).all()
    assert (fooled_clean(target, scene.samples, 4, scene.batches().store, ("clean",)) == clean).all()


def test_a_search_stops_where_the_mean_of_its_draws_is_beyond_what_chance_moves(build, images) -> None:
    target = build(noisy(0.02))
    target.draws = 20
    x = images([0.2, 0.3, 0.7, 0.8])
    scene = SimpleNamespace(target=target, x=x, y=torch.tensor([0, 0, 1, 1]), settings=SimpleNamespace(eot=None))
    # Margins are 20 times the noise, which is uniform: a standard deviation of 0.4 / sqrt(3).
    assert safety_margin(scene) == pytest.approx(2.0 * 0.4 / math.sqrt(3.0) / math.sqrt(20.0), rel=0.3)
