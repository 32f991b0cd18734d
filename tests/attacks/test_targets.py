"""Wrong classes are tried in the order of their distance, which on a linear model is known exactly."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor, nn

from auditor import Access, Norm, Threat, View
from auditor.engine.ledger import Ledger
from auditor.target.base import Target
from auditor_attacks._targets import ordered, passes
from auditor_attacks.apgd import APGD
from tests.oracles import run, target_of

DUAL = {Norm.LINF: 1.0, Norm.L2: 2.0, Norm.L1: torch.inf}
every_norm = pytest.mark.parametrize("norm", list(DUAL))


def linear(num_classes: int = 8, inputs: int = 12, seed: int = 4) -> tuple[Target, nn.Linear, Tensor, Tensor]:
    """A linear model whose classes differ in how steep they are, and samples."""
    generator = torch.Generator().manual_seed(seed)
    layer = nn.Linear(inputs, num_classes).requires_grad_(False)
    steepness = torch.logspace(-1, 1, num_classes)[torch.randperm(num_classes, generator=generator)]
    weight = torch.randn(num_classes, inputs, generator=generator) * steepness[:, None]
    # Every other class hangs on few pixels, so that norms disagree on which is near.
    weight[::2, 2:] = 0.0
    layer.weight.copy_(weight)
    # At gray all logits are small numbers, whatever the slopes.
    layer.bias.copy_(torch.randn(num_classes, generator=generator) - 0.5 * layer.weight.sum(1))
    x = 0.5 + 0.02 * torch.randn(20, inputs, generator=generator)
    return target_of(layer, num_classes), layer, x, layer(x).argmax(1)


def distances(layer: nn.Linear, x: Tensor, y: Tensor, norm: Norm) -> Tensor:
    """To every class, in float64, `(N, K)`; infinite to the own one."""
    logits, weight = layer(x).double(), layer.weight.double()
    gap = logits.gather(1, y[:, None]) - logits
    size = torch.linalg.vector_norm(weight[y][:, None] - weight[None], DUAL[norm], dim=2)
    return (gap / size).nan_to_num(torch.inf).scatter(1, y[:, None], torch.inf)


def view(target: Target, x: Tensor, y: Tensor) -> tuple[View, Ledger]:
    ledger = Ledger.open(x, y, Threat(norm=Norm.LINF, eps=1e-9), target.num_classes, 0.0, float("inf"))
    return View(target, ledger, Access.GRADIENTS), ledger


@every_norm
def test_the_linear_order_is_that_of_exact_distances_where_logits_mislead(norm: Norm) -> None:
    target, layer, x, y = linear()
    nearest = distances(layer, x, y, norm).argsort(1)[:, :3]
    by_slope = ordered(view(target, x, y)[0], x, y, norm, "linear", 3)
    by_logit = ordered(view(target, x, y)[0], x, y, norm, "logits", 3)
    assert torch.equal(by_slope, nearest)
    likeliest = layer(x).scatter(1, y[:, None], -torch.inf).argsort(1, descending=True)[:, :3]
    assert torch.equal(by_logit, likeliest)
    assert (by_logit != nearest).any(1).float().mean() > 0.2
    assert (by_logit[:, 0] != nearest[:, 0]).any()
    for other in DUAL.keys() - {norm}:
        assert not torch.equal(nearest, distances(layer, x, y, other).argsort(1)[:, :3])


@every_norm
def test_one_target_in_linear_order_breaks_what_lies_within_reach_and_by_logits_it_does_not(norm: Norm) -> None:
    target, layer, x, y = linear()
    shortest = distances(layer, x, y, norm)
    # Only samples whose likeliest class is far from being the nearest tell the orders apart.
    likeliest = layer(x).scatter(1, y[:, None], -torch.inf).argmax(1)
    ratio = shortest.gather(1, likeliest[:, None]).squeeze(1) / shortest.amin(1)
    at = int(ratio.argmax())
    assert ratio[at] > 1.5
    threat = Threat(norm=norm, eps=1.1 * float(shortest[at].min()))
    attack = APGD(loss="margin-targeted", steps=30, targets=1, order="linear")
    assert run(attack, target, x[at : at + 1], y[at : at + 1], threat).found.all()
    # It climbs towards another class, which lies out of reach: what it finds on the way, it finds by luck.
    by_logit = dataclasses.replace(attack, order="logits")
    assert ordered(view(target, x, y)[0], x, y, norm, "logits", 1)[at] != shortest[at].argmin()
    reached = run(by_logit, target, x[at : at + 1], y[at : at + 1], threat)
    assert not (reached.found & (layer(reached.best).argmax(1) == likeliest[at])).any()


@pytest.mark.parametrize("num_classes", [2, 3, 4, 30])
@pytest.mark.parametrize("order", ["logits", "linear"])
def test_the_order_costs_what_it_says(order: str, num_classes: int) -> None:
    target, _, x, y = linear(num_classes)
    for count in (1, 3):
        seen, ledger = view(target, x, y)
        count = min(count, num_classes - 1)
        assert ordered(seen, x, y, Norm.LINF, order, count).shape == (20, count)
        assert (ledger.forwards, ledger.backwards) == tuple(20 * each for each in passes(order, count, num_classes))


def test_only_the_likeliest_three_a_target_are_compared_by_distance() -> None:
    target, layer, x, y = linear(30)
    candidates = layer(x).scatter(1, y[:, None], -torch.inf).argsort(1, descending=True)[:, :6]
    chosen = ordered(view(target, x, y)[0], x, y, Norm.L2, "linear", 2)
    exact = distances(layer, x, y, Norm.L2).gather(1, candidates).argsort(1)[:, :2]
    assert torch.equal(chosen, candidates.gather(1, exact))


def test_the_own_class_is_never_a_target_and_no_class_comes_twice() -> None:
    target, _, x, y = linear(5)
    for order in ("logits", "linear"):
        chosen = ordered(view(target, x, y)[0], x, y, Norm.LINF, order, 4)
        assert not (chosen == y[:, None]).any()
        assert all(len(set(row)) == 4 for row in chosen.tolist())


def test_a_class_that_no_pixel_moves_is_tried_last() -> None:
    layer = nn.Linear(4, 3).requires_grad_(False)
    # Class 1 differs from class 0 by a constant of 0.1 alone; class 2 is far by its logit, and near by its slope.
    layer.weight.copy_(torch.tensor([[1.0, 1, 1, 1], [1, 1, 1, 1], [9, 9, 9, 9]]))
    layer.bias.copy_(torch.tensor([0.1, 0.0, -32.0 * 0.5 - 1.0]))
    x = torch.full((1, 4), 0.5)
    target = target_of(layer, 3)
    y = torch.tensor([0])
    assert ordered(view(target, x, y)[0], x, y, Norm.LINF, "logits", 2).tolist() == [[1, 2]]
    assert ordered(view(target, x, y)[0], x, y, Norm.LINF, "linear", 2).tolist() == [[2, 1]]
