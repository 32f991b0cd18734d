"""Gradients are let past steps that have none, and answers stay what they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from auditor import Norm, Threat, straight_through
from auditor.target.through import Past, Through
from auditor_attacks.pgd import PGD
from tests.oracles import run, target_of

STEPS: list[Callable[[Tensor], Tensor]] = [
    torch.round,
    torch.floor,
    torch.ceil,
    torch.trunc,
    torch.sign,
    lambda x: x.round(decimals=1),
    lambda x: x.clamp(-0.1, 0.1),
    lambda x: x.floor(),
]


@pytest.mark.parametrize("step", STEPS)
def test_steps_answer_as_ever_and_have_a_gradient(step: Callable[[Tensor], Tensor]) -> None:
    x = torch.tensor([0.2, -0.7, 0.49], requires_grad=True)
    with Through():
        answer = step(x)
    assert torch.equal(answer.detach(), step(x.detach()))
    (slope,) = torch.autograd.grad(answer.sum(), x)
    assert slope.tolist() == [1.0, 1.0, 1.0]


def test_outside_of_it_and_without_a_gradient_nothing_is_different() -> None:
    x = torch.tensor([0.2], requires_grad=True)
    (slope,) = torch.autograd.grad(torch.round(x).sum(), x)
    assert slope.tolist() == [0.0]
    with Through():
        assert torch.round(torch.tensor([0.7])).tolist() == [1.0]


@pytest.mark.parametrize("half", [False, True])
def test_a_softmax_at_the_end_tells_what_it_was_given(half: bool) -> None:
    x = torch.tensor([[0.0, 200.0, 50.0]], requires_grad=True)
    with Through() as through:
        answer = x.half().softmax(1).float() if half else torch.softmax(x, 1)
    assert answer[0, 0] == 0.0
    logits = through.before_softmax(answer)
    assert logits is not None
    assert logits.tolist() == [[-200.0, 0.0, -150.0]]
    (slope,) = torch.autograd.grad(logits[0, 0] - logits[0, 1], x)
    assert slope.tolist() == [[1.0, -1.0, 0.0]]


def test_a_softmax_on_the_way_tells_nothing() -> None:
    x = torch.rand(2, 3)
    with Through() as through:
        answer = x.softmax(1) @ torch.rand(3, 3)
    assert through.before_softmax(answer) is None


def test_a_wrapper_answers_exactly_and_has_the_gradient_of_what_it_roughly_is() -> None:
    x = torch.tensor([0.3, 0.8], requires_grad=True)
    wrapper = straight_through(lambda v: (v > 0.5).float(), lambda v: v.square())
    answer = wrapper(x)
    assert answer.tolist() == [0.0, 1.0]
    (slope,) = torch.autograd.grad(answer.sum(), x)
    assert slope.tolist() == pytest.approx([0.6, 1.6])


class Rounded(nn.Module):
    """Four gray levels, then a linear model: every gradient is 0."""

    def forward(self, x: Tensor) -> Tensor:
        score = ((x * 4.0).round() / 4.0).flatten(1).mean(1) - 0.5
        return torch.stack([-score, score], 1)


def test_attacks_see_past_a_model_that_rounds_its_input() -> None:
    x, y = torch.full((3, 1, 4, 4), 0.3), torch.zeros(3, dtype=torch.int64)
    threat = Threat(norm=Norm.LINF, eps=0.35)
    target: Any = target_of(Rounded(), 2)
    assert not run(PGD(steps=20), target, x, y, threat).found.any()
    target.through = Past.STEPS
    assert run(PGD(steps=20), target, x, y, threat).found.all()
