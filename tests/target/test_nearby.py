"""Gradients averaged over a small neighbourhood."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from auditor import Norm, Threat
from auditor.target.nearby import Nearby
from auditor_attacks.apgd import APGD
from tests.oracles import run, target_of


def _slope(near: Nearby, x: Tensor) -> Tensor:
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(near.mean(lambda z: z.sqrt().square(), leaf).sum(), leaf)
    return gradient


def test_where_a_slope_ends_at_the_wall_its_neighbours_have_one() -> None:
    x = torch.tensor([[0.0, 0.5, 1.0]])
    assert _slope(Nearby(0.01), x).tolist() == [pytest.approx([1.0, 1.0, 1.0])]


def test_a_ripple_is_averaged_out_and_the_slope_below_it_left() -> None:
    def rippled(z: Tensor) -> Tensor:
        return z + 1e-3 * torch.sin(1e4 * z)

    leaf = torch.linspace(0.2, 0.8, 400)[None].requires_grad_()
    (own,) = torch.autograd.grad(rippled(leaf).sum(), leaf)
    (mean,) = torch.autograd.grad(Nearby(0.05, 100).mean(rippled, leaf).sum(), leaf)
    assert own.sub(1.0).abs().mean() > 2.0
    assert mean.sub(1.0).abs().mean() < 1.2


def test_every_sample_is_displaced_alike_inside_the_box_and_within_the_radius() -> None:
    seen = []

    def look(z: Tensor) -> Tensor:
        seen.append(z)
        return z

    x = torch.tensor([[0.0, 0.3, 1.0], [0.6, 0.3, 0.2]])
    Nearby(0.1, 3).mean(look, x)
    Nearby(0.1, 3).mean(look, x[1:])
    assert all(bool(((z >= 0.0) & (z <= 1.0)).all()) for z in seen)
    assert max(float((z - x).abs().max()) for z in seen[:3]) <= 0.1
    assert all(torch.equal(alone, both[1:]) for both, alone in zip(seen[:3], seen[3:], strict=True))


class _Cracked(torch.nn.Module):
    """A linear model of which no slope is a number at a black pixel."""

    def forward(self, x: Tensor) -> Tensor:
        score = x.sqrt().square().flatten(1).mean(1) - 0.2
        return torch.stack([-score, score], 1)


def test_attacks_climb_where_no_slope_is_a_number_and_every_pass_is_counted() -> None:
    x, y = torch.zeros(3, 1, 4, 4), torch.zeros(3, dtype=torch.int64)
    threat, target = Threat(norm=Norm.LINF, eps=0.3), target_of(_Cracked(), 2)
    attack = APGD(steps=4, start="clean", loss="margin")
    alone = run(attack, target, x, y, threat)
    with target.under(near=Nearby(0.01, 5)):
        averaged = run(attack, target, x, y, threat)
    assert not alone.found.any()
    assert averaged.found.all()
    # Five points for each gradient, forth and back, and the point itself, which falls within a few steps.
    assert averaged.backwards % (5 * 3) == 0
    assert averaged.forwards > averaged.backwards
