"""Modules as networks: their output, and their modes during an audit."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from auditor.errors import ModelError
from auditor.loaders import torch_pt2
from auditor.loaders.torch_module import frozen, network, select
from tests.loaders.torch_archives import Small, export

LOGITS, OTHER = torch.ones(2, 3), torch.zeros(2, 7)


@dataclass
class Output:
    hidden: Tensor
    logits: Tensor


@pytest.mark.parametrize(
    "answer",
    [LOGITS, {"hidden": OTHER, "logits": LOGITS}, Output(OTHER, LOGITS), (LOGITS, OTHER), [LOGITS], {"scores": LOGITS},
     OrderedDict(loss=None, out=LOGITS), (None, LOGITS)],
    ids=["tensor", "dict", "object", "tuple", "list", "other name", "no loss", "nothing first"],
)  # fmt: skip
def test_logits_or_else_the_first_tensor_are_judged(answer: Any) -> None:
    assert select(answer, "m") is LOGITS


@pytest.mark.parametrize(
    ("answer", "output"),
    [({"logits": OTHER, "scores": LOGITS}, "scores"), (Output(LOGITS, OTHER), "hidden"), ((OTHER, LOGITS), "1")],
)
def test_the_output_that_the_user_names_is_judged(answer: Any, output: str) -> None:
    assert select(answer, "m", output) is LOGITS


@pytest.mark.parametrize(
    ("answer", "output"),
    [({"logits": LOGITS}, "scores"), ((LOGITS,), "1"), ({}, None), (None, None), (3.0, None), ({"a": "b"}, "a")],
)
def test_without_such_a_tensor_the_user_is_told_what_there_is(answer: Any, output: str | None) -> None:
    with pytest.raises(ModelError, match=r"m answers with a .*--output"):
        select(answer, "m", output)


def modes(module: nn.Module) -> list[bool]:
    return [part.training for part in module.modules()]


def mixed() -> Small:
    """In training, with a frozen BatchNorm and a frozen parameter, as fine-tuning has it."""
    module = Small().train()
    module.norm.eval()
    module.head.bias.requires_grad_(False)
    return module


def test_frozen_puts_every_part_at_rest_and_leaves_everything_as_it_was() -> None:
    module = mixed()
    before = modes(module), [p.requires_grad for p in module.parameters()]
    with frozen(module):
        assert not any(modes(module))
        assert not any(p.requires_grad for p in module.parameters())
    assert (modes(module), [p.requires_grad for p in module.parameters()]) == before
    assert set(before[0]) == set(before[1]) == {True, False}


def test_frozen_restores_after_errors() -> None:
    module = mixed()
    before = modes(module), [p.requires_grad for p in module.parameters()]
    with pytest.raises(KeyboardInterrupt), frozen(module):
        raise KeyboardInterrupt
    assert (modes(module), [p.requires_grad for p in module.parameters()]) == before


def test_parts_that_refuse_to_be_put_at_rest_are_put_at_rest() -> None:
    class Stubborn(nn.Dropout):
        def train(self, mode: bool = True) -> Stubborn:
            return super().train(True)

    module = nn.Sequential(Stubborn(0.5))
    with frozen(module):
        assert torch.equal(module(LOGITS), LOGITS)
    assert module[0].training


def test_a_network_that_is_called_outside_frozen_is_at_rest_all_the_same() -> None:
    module = mixed().train()
    run = network(module, "m", torch.float32)
    x = torch.rand(2, 3, 8, 8)
    statistics = module.norm.running_mean.clone()
    first, second = run(x), run(x)
    assert torch.equal(first, second)
    assert torch.equal(module.norm.running_mean, statistics)
    assert all(modes(module))


def test_inputs_are_cast_to_what_the_network_takes_and_gradients_come_back() -> None:
    x = torch.rand(2, 4, requires_grad=True)
    run = network(nn.Linear(4, 3).double(), "m", torch.float64)
    run(x).sum().backward()
    assert x.grad is not None
    assert x.grad.dtype is torch.float32


@pytest.mark.filterwarnings("ignore")
def test_an_archive_exported_in_training_mode_is_audited_at_rest(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module, x = Small().train(), torch.rand(2, 3, 8, 8)
    program = torch_pt2.load(export(module, tmp_path / "m.pt2", x), torch.device("cpu"), trust=False)
    graph = program.module(check_guards=False)
    assert not torch.equal(graph(x), graph(x)), "its dropout is at work"
    statistics = graph.norm.running_mean.clone()
    module.load_state_dict(graph.state_dict())
    with frozen(graph):
        torch.testing.assert_close(graph(x), module.eval()(x))
        assert torch.equal(graph.norm.running_mean, statistics)
    assert not torch.equal(graph(x), graph(x))


def test_torchscript_is_put_at_rest_and_back() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = torch.jit.script(nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5)).train())
    with frozen(module):
        assert torch.equal(module(LOGITS), module(LOGITS))
    assert module.training
    assert not torch.equal(module(torch.ones(50, 3)), module(torch.ones(50, 3)))
