"""Other forms of a module compute what the module computes, and leave it as it is."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from auditor.target.forms import Form, folds, lies_channels_last

X = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def module() -> nn.Module:
    torch.manual_seed(0)
    made = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten(), nn.Linear(180, 4))
    norm = made[1]
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2.0)
    return made.eval().requires_grad_(False)


@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("last", [False, True])
def test_in_float32_every_form_answers_as_the_module_does(module: nn.Module, folded: bool, last: bool) -> None:
    assert torch.allclose(Form(channels_last=last, folded=folded)(module)(X), module(X), atol=1e-5)


@pytest.mark.parametrize("numbers", ["bfloat16", "autocast"])
def test_in_bfloat16_a_form_answers_to_within_its_rounding(module: nn.Module, numbers: str) -> None:
    answer = Form(numbers=numbers, channels_last=True, folded=True)(module)(X)  # type: ignore[arg-type]
    assert 0.0 < float((answer - module(X)).abs().max()) < 0.02


def test_the_module_stays_as_it_is(module: nn.Module) -> None:
    before = copy.deepcopy(module.state_dict())
    Form(numbers="bfloat16", channels_last=True, folded=True)(module)
    after = module.state_dict()
    assert all(torch.equal(before[key], value) and before[key].dtype is value.dtype for key, value in after.items())
    assert module[0].weight.is_contiguous()


def test_a_folded_form_holds_no_batch_normalisation(module: nn.Module) -> None:
    assert folds(module)
    assert not folds(Form(folded=True)(module))


def test_whether_a_module_lies_channels_last_is_told_by_its_weights(module: nn.Module) -> None:
    assert not lies_channels_last(module)
    assert lies_channels_last(module.to(memory_format=torch.channels_last))
    assert not lies_channels_last(nn.Conv2d(1, 4, 3).to(memory_format=torch.channels_last))


def test_the_numbers_of_batch_normalisation_stay_in_float32_where_it_is_not_folded(module: nn.Module) -> None:
    norm = next(p for p in Form(numbers="bfloat16")(module).modules() if isinstance(p, nn.BatchNorm2d))
    assert norm.running_var is not None
    assert norm.running_var.dtype is norm.weight.dtype is torch.float32


def test_parameters_have_no_gradients_and_gradients_reach_the_input(module: nn.Module) -> None:
    form = Form(numbers="bfloat16")(module.requires_grad_(True))
    leaf = X.clone().requires_grad_(True)
    form(leaf).float().sum().backward()
    assert not any(parameter.requires_grad for parameter in form.parameters())
    assert leaf.grad is not None
    assert leaf.grad.abs().sum() > 0


def test_weights_that_two_layers_share_stay_shared() -> None:
    first = nn.Linear(4, 4)
    module = nn.Sequential(first, nn.ReLU(), first)
    layers = [part for part in Form(numbers="bfloat16")(module).modules() if isinstance(part, nn.Linear)]
    assert all(layer.weight is layers[0].weight for layer in layers)
