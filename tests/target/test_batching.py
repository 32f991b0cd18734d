"""Networks that take only some batch sizes, made to take any."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from auditor.errors import ModelError
from auditor.target.batching import Loop, Mapped, as_rows, choose
from auditor.target.limits import TooLong

WEIGHT = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
X = torch.rand(5, 2, 4, generator=torch.Generator().manual_seed(1))


def any_batch(x: Tensor) -> Tensor:
    return x.flatten(1) @ WEIGHT.T


def only(size: int):  # type: ignore[no-untyped-def]
    """A network with a batch baked into a reshape: other batches fail."""
    return lambda x: x.reshape(size, 8) @ WEIGHT.T


def first_row_only(x: Tensor) -> Tensor:
    return any_batch(x[:1])


def mixing(x: Tensor) -> Tensor:
    """Right for one row; in a batch rows lean on each other."""
    return any_batch(x - x.mean(0) + x[:1])


def not_mappable(x: Tensor) -> Tensor:
    return any_batch(x.reshape(1, 2, 4)) if x.sum().item() > -1 else x


@pytest.mark.parametrize(
    ("network", "size", "way"),
    [
        (any_batch, None, "native"),
        (any_batch, 1, "native"),
        (only(1), 1, "vmap"),
        (only(1), None, "vmap"),
        (only(2), 2, "vmap"),
        (only(4), 4, "vmap"),
        (first_row_only, None, "vmap"),
        (mixing, None, "vmap"),
        (not_mappable, 1, "loop"),
    ],
)
def test_the_first_way_that_gives_every_row_its_own_answer_is_taken(network, size, way) -> None:  # type: ignore[no-untyped-def]
    chosen, name = choose(network, X[:2], size, mappable=True)
    assert name == way
    assert torch.allclose(chosen(X), any_batch(X), atol=1e-5)


def test_a_network_that_is_no_torch_code_is_looped_over() -> None:
    chosen, name = choose(only(4), X[:2], 4, mappable=False)
    assert name == "loop"
    assert torch.allclose(chosen(X), any_batch(X), atol=1e-5)


@pytest.mark.parametrize("wrapper", [Loop, Mapped])
@pytest.mark.parametrize("size", [1, 4])
def test_gradients_flow_through_every_way(wrapper, size: int) -> None:  # type: ignore[no-untyped-def]
    x = X.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(wrapper(only(size), size)(x).sum(), x)
    assert torch.allclose(gradient.flatten(1), WEIGHT.sum(0).expand(5, 8))


def test_the_declared_size_is_never_exceeded() -> None:
    seen: list[int] = []

    def note(x: Tensor) -> Tensor:
        seen.append(len(x))
        return any_batch(x)

    Loop(note, 3)(X)
    assert seen == [3, 3]


def test_a_network_that_fails_on_its_own_size_says_so() -> None:
    with pytest.raises(RuntimeError):
        choose(only(2), X[:2], 3, mappable=True)


@pytest.mark.parametrize(
    ("shape", "n", "rows"),
    [((2, 3), 2, (2, 3)), ((2, 3, 1, 1), 2, (2, 3)), ((2, 1, 3), 2, (2, 3)), ((3,), 1, (1, 3)), ((2,), 2, (2, 1))],
)
def test_outputs_with_axes_of_size_one_are_rows(shape: tuple[int, ...], n: int, rows: tuple[int, ...]) -> None:
    assert as_rows(torch.zeros(shape), n).shape == rows


@pytest.mark.parametrize(("shape", "n"), [((1, 3), 2), ((2, 3, 4, 4), 2), ((2, 0), 2), ((3,), 2)])
def test_outputs_that_are_no_row_of_scores_each_are_refused(shape: tuple[int, ...], n: int) -> None:
    with pytest.raises(ModelError, match="answered"):
        as_rows(torch.zeros(shape), n)


def test_answers_at_random_are_not_taken_for_a_baked_batch() -> None:
    generator = torch.Generator().manual_seed(0)

    def noisy(network):  # type: ignore[no-untyped-def]
        return lambda x: network(x) + torch.randn(len(x), 3, generator=generator)

    assert choose(noisy(any_batch), X[:2], None, mappable=False)[1] == "native"
    assert choose(noisy(only(1)), X[:2], 1, mappable=False)[1] == "loop"


def test_a_batch_baked_behind_a_free_dimension_is_told_with_its_size() -> None:
    with pytest.raises(ModelError, match=r"declares any batch size, and takes batches of 3 only; export it with"):
        choose(only(3), X[:2], None, mappable=True)


def test_a_network_that_takes_every_batch_but_one_keeps_its_own_words() -> None:
    normalisation = torch.nn.BatchNorm1d(8).train()
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        choose(lambda x: normalisation(x.flatten(1)), X[:2], None, mappable=True)


def test_a_pass_that_was_stopped_is_not_tried_with_other_batches() -> None:
    calls = []

    def endless(x: Tensor) -> Tensor:
        calls.append(len(x))
        raise TooLong("too long")

    with pytest.raises(TooLong):
        choose(endless, X[:2], None, mappable=True)
    assert calls == [1]
