"""A network by its operations answers as itself, and has the gradient that calculus gives it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from auditor.selftest.masks import Chain, backwards
from auditor.target.operations import Operations, _size
from auditor.target.through import Past, Through
from tests.oracles import target_of

Network = Callable[[Tensor], Tensor]


def _linear() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(3, 2).requires_grad_(False)


def _hooked(x: Tensor) -> Tensor:
    if x.requires_grad:
        x = x.view_as(x)
        x.register_hook(torch.zeros_like)  # type: ignore[no-untyped-call]
    return x


def _without_gradients(x: Tensor) -> Tensor:
    with torch.no_grad():
        return x * 1.0


LIES: dict[str, Network] = {
    "zero": backwards(torch.zeros_like),
    "reversed": backwards(torch.neg),
    "exchanged": backwards(lambda gradient: gradient.flip(-1)),
    "detached": torch.Tensor.detach,
    "without gradients": _without_gradients,
    "hooked": _hooked,
}


def _slope(network: Network, x: Tensor) -> Tensor:
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network(leaf)[:, 0].sum(), leaf)
    return gradient


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("n", [1, 2, 3, 5, 7])
def test_whatever_a_network_says_of_its_gradient_that_of_its_operations_is_the_true_one(lie: str, n: int) -> None:
    network, x = _linear(), torch.rand(n, 3)
    carried_out = Operations(Chain(LIES[lie], network))
    assert torch.equal(carried_out(x), network(x))
    assert torch.equal(_slope(carried_out, x), network.weight[0].expand(n, 3))


def test_what_cannot_be_recorded_serves_as_it_is() -> None:
    network = _linear()

    def decides(x: Tensor) -> Tensor:
        return network(x) if float(x.detach().sum()) > 0.0 else network(-x)

    carried_out, x = Operations(decides), torch.rand(3, 3)
    assert torch.equal(carried_out(x), network(x))
    assert torch.equal(carried_out(-x), network(x))
    assert torch.equal(_slope(carried_out, x), network.weight[0].expand(3, 3))


def test_a_recording_serves_batches_of_other_sizes_and_draws_anew() -> None:
    calls = []

    def network(x: Tensor) -> Tensor:
        calls.append(len(x))
        return x + torch.rand_like(x)

    carried_out, x = Operations(network), torch.zeros(8, 2)
    assert not torch.equal(carried_out(x), carried_out(x))
    carried_out(x[:7])
    assert calls == [8]


def test_few_sizes_are_recorded_and_none_wastes_half() -> None:
    sizes = [_size(n) for n in range(1, 513)]
    assert all(n <= size <= 1.5 * n for n, size in enumerate(sizes, 1))
    assert len({*sizes}) == 18


def test_what_changes_its_input_in_place_is_recorded_too() -> None:
    network, x = _linear(), torch.rand(4, 3)
    carried_out = Operations(lambda x: network(x.mul_(2.0)))
    assert torch.equal(carried_out(x.clone()), network(2.0 * x))
    assert torch.equal(_slope(carried_out, x), 2.0 * network.weight[0].expand(4, 3))


def test_a_targets_gradients_pass_what_it_says_of_them_when_asked_to() -> None:
    network = _linear()
    target = target_of(Chain(LIES["zero"], network), 2)
    x = torch.rand(4, 3)
    for through, expected in ((Past.STEPS, 0.0 * network.weight[0]), (Past.BACKWARDS, network.weight[0])):
        with target.under(through=through):
            assert torch.equal(_slope(target.differentiable, x), expected.expand(4, 3))


def test_rounding_inside_of_a_recorded_network_is_passed_as_well() -> None:
    network, x = _linear(), torch.rand(4, 3)
    target = target_of(Chain(lambda x: torch.round(8.0 * x) / 8.0, LIES["zero"], network), 2)
    with target.under(through=Past.BACKWARDS):
        assert torch.allclose(_slope(target.differentiable, x), network.weight[0].expand(4, 3))


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_scripted_networks_are_recorded() -> None:
    network = _linear()
    traced = torch.jit.trace(Chain(torch.round, network), torch.rand(4, 3))  # type: ignore[no-untyped-call]
    with Through():
        slope = _slope(Operations(traced), torch.rand(4, 3))
    assert torch.equal(slope, network.weight[0].expand(4, 3))


CHOICES: dict[str, tuple[Network, Tensor]] = {
    "above": (lambda x: (x > 0.3).float(), torch.eye(3)),
    "at most": (lambda x: (x <= 0.3).to(torch.float32), -torch.eye(3)),
    "a limit of its own": (lambda x: (torch.full_like(x, 0.3) < x).float(), torch.eye(3)),
}


@pytest.mark.parametrize("name", CHOICES)
def test_comparisons_that_are_read_as_numbers_have_the_gradient_of_the_gap(name: str) -> None:
    choice, expected = CHOICES[name]
    x = torch.tensor([0.1, 0.35, 0.9], requires_grad=True)
    with Through():
        answer = choice(x)
    assert torch.equal(answer.detach(), choice(x.detach()))
    rows = [torch.autograd.grad(value, x, retain_graph=True)[0] for value in answer]
    assert torch.equal(torch.stack(rows), expected)


def test_a_vote_has_the_gradient_of_its_softmax() -> None:
    x = torch.tensor([[0.1, 0.9, 0.3], [2.0, -1.0, 0.0]], requires_grad=True)
    with Through():
        votes = functional.one_hot(x.argmax(1), 3).float()
    assert votes.tolist() == [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    (slope,) = torch.autograd.grad(votes[:, 1].sum(), x)
    (expected,) = torch.autograd.grad(x.softmax(1)[:, 1].sum(), x)
    assert torch.equal(slope, expected)
