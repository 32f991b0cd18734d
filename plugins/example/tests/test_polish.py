"""The attack in lanes: where it starts, how it steps, and that the company a sample is in changes nothing for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from auditor_example_attack.polish import Climb, Polish

from auditor import Gradient, Lanes, Norm, Rng, Run, Threat

THREAT = Threat(norm=Norm.LINF, eps=0.1)
EPS = THREAT.eps
DISTANCES = np.array([-0.35, -0.15, -0.07, 0.07, 0.15, 0.35], dtype=np.float32)


def lanes(goal: int = 0, n: int = 3) -> Lanes:
    """Lanes of grey samples, of which an earlier attack found darker points."""
    x = torch.full((n, 1, 4, 4), 0.5)
    count = torch.zeros(n, dtype=torch.int64)
    return Lanes(
        x=x,
        y=count,
        goal=count + goal,
        step=count,
        rng=Rng.keyed(0, "polish", torch.arange(n)),
        point=x.clone(),
        closest=x - 0.04,
        margin=torch.full((n,), -1.0),
    )


def begun(goal: int = 0) -> Climb:
    attack, earlier = Polish(), None
    if goal:
        earlier = attack.begin(None, lanes(), THREAT, None)  # type: ignore[arg-type]
    return attack.begin(None, lanes(goal), THREAT, earlier)  # type: ignore[arg-type]


def test_the_first_start_is_the_best_point_that_is_known_and_the_others_lie_around_it() -> None:
    first, second, third = (begun(goal).point for goal in range(3))
    assert torch.equal(first, lanes().closest)
    assert float((second - first).abs().max()) <= EPS / 2 + 1e-6
    assert not torch.equal(second, third)
    assert not torch.equal(second[0], second[1])


def test_steps_keep_to_the_threat_and_are_halved_where_the_margin_fell() -> None:
    climb, uphill = begun(), torch.ones(3, 1, 4, 4)
    for margin in ([-1.0, -1.0, -1.0], [-0.9, -1.1, -0.9]):
        Polish().advance(climb, Gradient(torch.tensor(margin), uphill, torch.zeros(3, 2), torch.tensor(margin)), THREAT)
    assert climb.length.tolist() == [0.5, 0.25, 0.5]
    # 0.46 + 0.05 is 0.51; then another 0.05, or half of it.
    assert torch.allclose(climb.point.amax((1, 2, 3)), torch.tensor([0.56, 0.535, 0.56]))
    for _ in range(9):
        Polish().advance(climb, Gradient(climb.last + 1, uphill, torch.zeros(3, 2), climb.last + 1), THREAT)
    assert torch.allclose(climb.point, torch.full_like(climb.point, 0.6))


@pytest.mark.parametrize("batch", ["1", "4"])
def test_an_audit_breaks_exactly_the_samples_within_reach_whatever_the_batch(
    model: Path, tmp_path: Path, batch: str
) -> None:
    data, out = tmp_path / "data.npz", tmp_path / "run"
    texture = np.random.default_rng(0).uniform(-0.05, 0.05, (6, 1, 4, 4))
    x = 0.5 + DISTANCES[:, None, None, None] + texture - texture.mean((1, 2, 3), keepdims=True)
    np.savez(data, x=x.astype(np.float32), y=(DISTANCES > 0).astype(np.int64))
    # -P keeps the working directory off the path, so that the installed auditor answers.
    command = [sys.executable, "-P", "-m", "auditor", "scan", model, "--data", data, "--eps", str(EPS)]
    command += ["--attack", "polish:steps=4", "--no-escalation", "--batch-size", batch, "--out", out, "--quiet"]
    subprocess.run(command, check=True)
    rows = list(Run(out).rows)
    reachable = np.abs(DISTANCES) < EPS
    assert [row.outcome for row in rows] == ["broken" if near else "robust" for near in reachable]
    ran = Run(out).result.models[0].threats[0].attacks[0]  # checks would have asked for more after it
    assert (ran.name, ran.status, ran.broken) == ("polish", "ran", 2)
    # What stands was asked about to the end; what fell left its lane at the third question, after two steps of eps / 2.
    assert {row.passes for row in rows if row.outcome == "robust"} == {2 * (2 * 4 + 1)}
    assert {row.passes for row in rows if row.outcome == "broken"} == {3 * 2}
