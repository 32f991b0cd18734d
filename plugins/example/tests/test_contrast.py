"""The attack against a model whose answer is known: class 1 where the mean brightness exceeds one half."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from auditor_example_attack.contrast import Contrast
from torch import Tensor

from auditor import Norm, Run, Threat, UsageError

EPS = 0.1
# How far the mean of each of the six images lies from the model's threshold; the attack moves it by nearly EPS.
DISTANCES = np.array([-0.35, -0.15, -0.05, 0.05, 0.15, 0.35], dtype=np.float32)


class Listener:
    """Stands in for the view that the engine hands to an attack: remembers the questions, and nothing fools it."""

    def __init__(self) -> None:
        self.asked: list[Tensor] = []

    def labels(self, x: Tensor) -> Tensor:
        self.asked.append(x)
        return torch.zeros(len(x), dtype=torch.int64)


@pytest.mark.parametrize("norm", [Norm.LINF, Norm.L2, Norm.L1])
def test_every_candidate_keeps_to_the_threat(norm: Norm) -> None:
    x = torch.rand(4, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    threat, view = Threat(norm=norm, eps=0.2), Listener()
    Contrast(steps=3).perturb(view, x, torch.zeros(4, dtype=torch.int64), threat, rng=None)  # type: ignore[arg-type]
    candidates = torch.cat(view.asked)
    assert bool(((candidates >= 0) & (candidates <= 1)).all())
    assert float(threat.distance(candidates, x.repeat(len(view.asked), 1, 1, 1)).max()) <= 0.2 * (1 + 1e-5)


def test_the_budget_is_used_up_and_the_passes_are_as_stated() -> None:
    x = torch.full((2, 1, 4, 4), 0.5)
    threat, view = Threat(norm=Norm.LINF, eps=0.2), Listener()
    attack = Contrast(steps=4)
    last = attack.perturb(view, x, torch.zeros(2, dtype=torch.int64), threat, rng=None)  # type: ignore[arg-type]
    darkest, brightest = view.asked[3], view.asked[7]
    assert torch.allclose(darkest, x - 0.2)
    assert torch.allclose(brightest, x + 0.2)
    # The engine judges what is returned, which costs the one pass more.
    assert attack.passes(num_classes=10).forwards == len(view.asked) + 1
    assert last.shape == x.shape


def test_parameters_are_held_to_their_bounds() -> None:
    with pytest.raises(UsageError, match="steps"):
        Contrast(steps=0)


def test_an_audit_with_the_installed_plugin_breaks_exactly_the_samples_within_reach(
    model: Path, tmp_path: Path
) -> None:
    texture = np.random.default_rng(0).uniform(-0.1, 0.1, (6, 1, 4, 4))
    x = 0.5 + DISTANCES[:, None, None, None] + texture - texture.mean((1, 2, 3), keepdims=True)
    data, out = tmp_path / "data.npz", tmp_path / "run"
    np.savez(data, x=x.astype(np.float32), y=(DISTANCES > 0).astype(np.int64))
    # -P keeps the working directory off the path, so that the installed auditor answers.
    command = [sys.executable, "-P", "-m", "auditor", "scan", model, "--data", data, "--eps", str(EPS)]
    subprocess.run([*command, "--attack", "contrast:steps=2", "--out", out, "--quiet"], check=True)
    outcomes = [row.outcome for row in Run(out).rows]
    assert outcomes == ["broken" if reachable else "robust" for reachable in np.abs(DISTANCES) < EPS]
    ran = Run(out).result.models[0].threats[0].attacks[0]  # checks may have asked for more after it
    assert (ran.name, ran.status, ran.broken) == ("contrast", "ran", 2)
