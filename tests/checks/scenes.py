"""Real digits, small models trained on them, and scenes around both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from auditor.check import Check, Finding
from auditor.engine.scene import Scene
from auditor.result.record import AttackRun, ModelResult, ThreatResult
from auditor.samples.memory import InMemory
from auditor.settings import Settings, ThreatSetting
from auditor.target.base import Target
from auditor.testing import oracles
from auditor.types import Norm

EIGHT_LEVELS = ThreatSetting(norm=Norm.LINF, eps=8 / 255)


def digits(n: int = 256) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Scanned digits, `(N, 1, 8, 8)` in `[0, 1]`: some 1,500 to train on, and `n` others."""
    bunch = load_digits()
    x = torch.tensor(bunch.images, dtype=torch.float32).div(16.0)[:, None]
    y = torch.tensor(bunch.target)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    x, y = x[order], y[order]
    return x[:-n], y[:-n], x[-n:], y[-n:]


def tinted(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The digits 0 to 4, every other one reddish, the rest bluish: ten classes, digit plus 5 where blue."""
    x, y = x[y < 5], y[y < 5]
    blue = torch.arange(len(y)) % 2
    hues = torch.tensor([[1.0, 0.5, 0.2], [0.2, 0.5, 1.0]])
    return x * hues[blue][:, :, None, None], y + 5 * blue


def trained(x: Tensor, y: Tensor, pipeline: Callable[[Tensor], Tensor] = lambda x: x) -> nn.Sequential:
    """A small network that learned from `pipeline(x)`; some 97 % accurate on other digits."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(x[0].numel(), 64), nn.ReLU(), nn.Linear(64, 10))
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    inputs = pipeline(x)
    for _ in range(30):
        for rows in torch.randperm(len(x)).split(100):
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(inputs[rows]), y[rows]).backward()
            optimiser.step()
    return network.eval().requires_grad_(False)


def target_of(network: Callable[[Tensor], Tensor], num_classes: int = 10, **changes: Any) -> Target:
    """A target around a function from inputs to outputs, differentiable as it is."""
    return replace(oracles.target_of(network, num_classes), **changes)


def scene_of(
    network: Callable[[Tensor], Tensor],
    x: Tensor,
    y: Tensor,
    *,
    target: Target | None = None,
    samples: InMemory | None = None,
    result: ModelResult | None = None,
    **settings: Any,
) -> Scene:
    """What the checks see of `network` and the samples."""
    settings = {"models": ("model",), "data": "memory", "threats": (EIGHT_LEVELS,), **settings}
    return Scene(
        target=target or target_of(network),
        samples=samples or InMemory(x, y),
        x=x,
        y=y,
        settings=Settings(**settings),
        result=result,
    )


def found(check: type[Check], scene: Scene) -> list[Finding]:
    """What a check says of a scene, each finding under the check's own code."""
    findings = list(check().inspect(scene))
    assert all(finding.code == check.code for finding in findings)
    return findings


def run(name: str, access: str, broken: int, **changes: Any) -> AttackRun:
    """The record of an attack that ran on 100 samples."""
    values: dict[str, Any] = {
        "name": name,
        "access": access,
        "broken": broken,
        "parameters": {},
        "status": "ran",
        "reason": "",
        "attacked": 100,
        "seconds": 1.0,
        "forwards": 100,
        "backwards": 0,
    }
    return AttackRun(**{**values, **changes})


def record(*runs: AttackRun) -> ModelResult:
    """The record of a model that these attacks were tried on, in linf with 8/255."""
    threat = ThreatResult(
        norm="linf", eps=8 / 255, robust_accuracy=0.5, robust_interval=(0.4, 0.6), robust_upper_bound=0.5, attacks=runs
    )
    return ModelResult(
        name="model",
        path="model",
        sha256="0" * 64,
        format="onnx",
        gradients="native",
        clean_accuracy=0.9,
        clean_interval=(0.8, 0.95),
        threats=(threat,),
    )
