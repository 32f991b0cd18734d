"""A target behind wrappers: exact answers, gradients from stand-ins, and majorities where a wrapper draws."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from auditor import ModelError, Wrapper, parameter
from auditor.target.agreement import agreement
from auditor.target.through import Past
from auditor.target.wrapped import Wrapped
from tests.checks.scenes import target_of

WEIGHT = torch.tensor([[1.0, -1.0], [0.5, 2.0], [-1.0, 0.3]])


def linear(x: Tensor) -> Tensor:
    return x @ WEIGHT


@dataclass(frozen=True, kw_only=True)
class Rounding(Wrapper):
    """Rounds."""

    name: ClassVar[str] = "rounding"

    slope: float = parameter(3.0, help="of the stand-in")

    def apply(self, x: Tensor) -> Tensor:
        return x.round()

    def stand_in(self, x: Tensor) -> Tensor:
        return self.slope * x


@dataclass(frozen=True, kw_only=True)
class Coin(Wrapper):
    """Blackens half of the samples."""

    name: ClassVar[str] = "coin"
    random: ClassVar[bool] = True

    def apply(self, x: Tensor) -> Tensor:
        return x * (torch.rand(len(x), 1) < 0.5)


@dataclass(frozen=True, kw_only=True)
class Halved(Wrapper):
    """Loses half of each sample."""

    name: ClassVar[str] = "halved"

    def apply(self, x: Tensor) -> Tensor:
        return x[:, ::2]


def test_the_answer_is_that_of_what_the_wrapper_makes_and_the_gradient_that_of_its_stand_in() -> None:
    target = replace(target_of(linear), num_classes=2, wrapped=Wrapped((Rounding(),)))
    x = torch.tensor([[0.2, 0.7, 0.9]])
    assert torch.equal(target.answer(x), linear(x.round()))
    followed = x.clone().requires_grad_()
    logits = target.differentiable(followed)
    assert torch.equal(logits, target.answer(x))
    (gradient,) = torch.autograd.grad(logits[:, 0].sum(), followed)
    assert torch.allclose(gradient, 3.0 * WEIGHT[:, 0])


@pytest.mark.parametrize("through", list(Past))
def test_whatever_gradients_pass_inside_a_network_those_of_a_wrapper_are_its_stand_ins(through: Past) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Cubed(Rounding):
        """Rounds, with a slope of its own."""

        def stand_in(self, x: Tensor) -> Tensor:
            return x.round() + (x - x.round()) ** 3

    target = replace(target_of(linear), num_classes=2, wrapped=Wrapped((Cubed(),)), through=through)
    x = torch.tensor([[0.25, 0.5, 0.75]], requires_grad=True)
    (gradient,) = torch.autograd.grad(target.differentiable(x)[:, 0].sum(), x)
    assert torch.allclose(gradient, WEIGHT[:, 0] * 3.0 * torch.tensor([0.25, 0.5, 0.25]) ** 2)


def test_wrappers_are_passed_in_their_order() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Shifted(Rounding):
        """Adds 0.4."""

        def apply(self, x: Tensor) -> Tensor:
            return x + 0.4

    x = torch.tensor([[0.2, 0.7, 0.3]])
    assert torch.equal(Wrapped((Shifted(), Rounding()))(x), torch.tensor([[1.0, 1.0, 1.0]]))
    assert torch.equal(Wrapped((Rounding(), Shifted()))(x), torch.tensor([[0.4, 1.4, 0.4]]))


def test_a_wrapper_that_changes_the_shape_is_told_in_a_sentence() -> None:
    target = replace(target_of(linear), num_classes=2, wrapped=Wrapped((Halved(),)))
    with pytest.raises(ModelError, match=r"wrapper halved made \(4, 2\) of samples of shape \(4, 3\)"):
        target.answer(torch.rand(4, 3))


def test_behind_a_wrapper_that_draws_a_model_is_judged_by_many_answers() -> None:
    assert Wrapped(()).draws == Wrapped((Rounding(),)).draws == 1
    assert Wrapped((Rounding(), Coin())).draws == 20


def test_the_twin_is_compared_without_what_wrappers_draw() -> None:
    target = replace(target_of(linear), num_classes=2, wrapped=Wrapped((Coin(), Rounding())), draws=20)
    x = torch.rand(16, 3)
    assert not agreement(target, x).holds
    assert agreement(target.bare, x).holds
    assert target.bare.draws == 1
