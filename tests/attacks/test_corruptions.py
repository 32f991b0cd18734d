"""The attack on the corruption threat finds what trying everything by hand finds."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from auditor.corruptions import CORRUPTIONS
from auditor.corruptions.space import DRAWS
from auditor.engine.ledger import Ledger
from auditor.engine.view import View
from auditor.rng import Rng
from auditor.types import Norm, Threat
from auditor_attacks.corruptions import Corruptions
from tests.oracles import target_of

NAMES = ("gaussian_noise", "fog", "brightness", "contrast")
N = 24


class Bright(nn.Module):
    """Two classes, told apart by the mean pixel and by how far the pixels spread."""

    def forward(self, x: Tensor) -> Tensor:
        score = 20.0 * (x.mean((1, 2, 3)) + x.std((1, 2, 3)) - 0.75)
        return torch.stack([-score, score], 1)


@pytest.fixture
def samples() -> tuple[Tensor, Tensor]:
    noise = torch.rand(N, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    x = (noise * torch.linspace(0.2, 1.0, N).view(-1, 1, 1, 1)).mul(255).round().div(255)
    return x, Bright()(x).argmax(1)


def least(x: Tensor, y: Tensor, seed: int) -> list[float]:
    """The least severity at which some corruption misleads, a sample and a corruption at a time."""
    seeds = Rng.keyed(seed, "corruptions", torch.arange(N)).integers(DRAWS)
    found = [math.inf] * N
    for i in range(N):
        for severity in (5, 4, 3, 2, 1):
            rng = Rng.keyed(0, "corruption", seeds[i : i + 1])
            images = [CORRUPTIONS[name](x[i : i + 1], severity, rng) for name in NAMES]
            if any(int(Bright()(image).argmax()) != int(y[i]) for image in images):
                found[i] = severity
    return found


@pytest.mark.parametrize("eps", [1, 2, 4, 5])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_sample_falls_if_any_corruption_within_the_severity_misleads(
    samples: tuple[Tensor, Tensor], eps: int, seed: int
) -> None:
    x, y = samples
    threat = Threat(norm=Norm.CORRUPTION, eps=eps, corruptions=NAMES)
    target, ledger = target_of(Bright(), 2), Ledger.open(x, y, threat, 2, margin=0.0, deadline=math.inf)
    attack = Corruptions()
    view = View(target, ledger, attack.access).unending()
    attack.perturb(view, ledger.origin.clone(), y, threat, Rng.keyed(seed, "corruptions", torch.arange(N)))
    expected = [size <= eps for size in least(x, y, seed)]
    assert ledger.found.tolist() == expected
    assert 0 < sum(expected) < N
    images = threat.render(ledger.best, x)
    assert (Bright()(images).argmax(1) != y).tolist() == expected
    assert (threat.distance(ledger.best, ledger.origin) <= eps).all()


def test_the_least_severity_is_found_where_it_is_looked_for(samples: tuple[Tensor, Tensor]) -> None:
    x, y = samples
    threat = Threat(norm=Norm.CORRUPTION, eps=math.inf, corruptions=NAMES)
    target, ledger = target_of(Bright(), 2), Ledger.open(x, y, threat, 2, margin=0.0, deadline=math.inf)
    attack = Corruptions()
    view = View(target, ledger, attack.access)
    attack.perturb(view, ledger.origin.clone(), y, threat, Rng.keyed(0, "corruptions", torch.arange(N)))
    expected = least(x, y, 0)
    assert ledger.best_distance.tolist() == expected
    # Who fell to a milder one is not asked about severer ones.
    spent = [len(NAMES) * (5 if math.isinf(size) else size) for size in expected]
    assert ledger.asked.tolist() == spent


def test_no_sample_costs_more_than_is_said(samples: tuple[Tensor, Tensor]) -> None:
    x, y = samples
    threat = Threat(norm=Norm.CORRUPTION, eps=5, corruptions=tuple(CORRUPTIONS)[:15])
    never = target_of(lambda image: torch.nn.functional.one_hot(y[: len(image)], 2).float(), 2)
    outcome = run_on_points(never, x, y, threat)
    assert outcome == Corruptions().passes(2).forwards - 1


def run_on_points(target: object, x: Tensor, y: Tensor, threat: Threat) -> int:
    ledger = Ledger.open(x[:2], y[:2], threat, 2, margin=0.0, deadline=math.inf)
    attack = Corruptions()
    rng = Rng.keyed(0, "corruptions", torch.arange(2))
    attack.perturb(View(target, ledger, attack.access), ledger.origin.clone(), y[:2], threat, rng)  # type: ignore[arg-type]
    return int(ledger.asked[0])
