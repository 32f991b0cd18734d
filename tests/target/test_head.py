"""How outputs are read as logits."""

from __future__ import annotations

import pytest
import torch

from auditor.target.head import Head, heads

Z = torch.tensor([[2.0, -1.0, 0.5], [-30.0, 40.0, 0.0]])


def test_logits_are_taken_as_they_are() -> None:
    assert torch.equal(Head.LOGITS.to_logits(Z), Z)


def test_probabilities_give_logits_with_the_same_softmax() -> None:
    assert torch.allclose(Head.PROBABILITIES.to_logits(Z.softmax(1)).softmax(1), Z.softmax(1))


def test_a_network_with_a_softmax_and_its_twin_without_give_the_same_logits() -> None:
    likely = torch.tensor([[2.0, -1.0, 0.5]])
    assert torch.allclose(
        Head.PROBABILITIES.to_logits(likely.softmax(1)), Head.SOFTMAX_INPUT.to_logits(likely), atol=1e-6
    )


def test_a_probability_of_zero_gives_a_finite_logit() -> None:
    assert Head.PROBABILITIES.to_logits(torch.tensor([[0.0, 1.0]])).isfinite().all()
    assert Head.BINARY_PROBABILITY.to_logits(torch.tensor([[0.0], [1.0]])).isfinite().all()
    assert Head.INDEPENDENT_PROBABILITIES.to_logits(torch.tensor([[0.0, 1.0]])).isfinite().all()


@pytest.mark.parametrize("z", [-20.0, -3.0, 0.0, 0.7, 8.0])
def test_one_number_becomes_two_classes_whose_probabilities_are_the_sigmoid(z: float) -> None:
    raw = torch.tensor([[z]])
    for logits in (Head.BINARY_LOGIT.to_logits(raw), Head.BINARY_PROBABILITY.to_logits(raw.sigmoid())):
        assert logits.shape == (1, 2)
        assert logits.softmax(1)[0, 1].item() == pytest.approx(raw.sigmoid().item(), rel=1e-5)


def test_the_gradient_of_a_binary_logit_does_not_vanish_where_the_model_is_sure() -> None:
    raw = torch.tensor([[50.0]], requires_grad=True)
    logits = Head.BINARY_LOGIT.to_logits(raw)
    (gradient,) = torch.autograd.grad((logits[:, 0] - logits[:, 1]).sum(), raw)
    assert gradient.item() == pytest.approx(-1.0)


def test_independent_probabilities_give_back_the_numbers_before_the_sigmoid() -> None:
    z = torch.tensor([[2.0, -3.0, 0.5]])
    assert torch.allclose(Head.INDEPENDENT_PROBABILITIES.to_logits(z.sigmoid()), z, atol=1e-5)


def test_rows_in_the_unit_interval_that_sum_to_one_are_probabilities() -> None:
    assert Head.measure(Z.softmax(1)) is Head.PROBABILITIES
    assert Head.measure(Z.sigmoid()) is Head.LOGITS
    assert Head.measure(torch.tensor([[0.5, 0.50002]])) is Head.LOGITS
    assert Head.measure(torch.tensor([[1.5, -0.5]])) is Head.LOGITS


def test_a_single_output_is_a_probability_where_it_stays_in_the_unit_interval() -> None:
    assert Head.measure(torch.tensor([[0.2], [0.9]])) is Head.BINARY_PROBABILITY
    assert Head.measure(torch.tensor([[0.2], [1.9]])) is Head.BINARY_LOGIT


@pytest.mark.parametrize(
    ("ending", "columns", "deployed", "twin"),
    [
        ("softmax", 3, Head.PROBABILITIES, Head.SOFTMAX_INPUT),
        ("sigmoid", 1, Head.BINARY_PROBABILITY, Head.BINARY_LOGIT),
        ("sigmoid", 3, Head.INDEPENDENT_PROBABILITIES, Head.LOGITS),
        ("log_softmax", 3, Head.LOGITS, Head.SOFTMAX_INPUT),
    ],
)
def test_the_graph_says_what_its_head_is(ending: str, columns: int, deployed: Head, twin: Head) -> None:
    raw = torch.full((2, columns), 0.5)
    assert heads(ending, True, raw) == (deployed, twin)
    assert heads(ending, False, raw) == (deployed, deployed)


def test_a_graph_that_ends_in_something_else_is_measured() -> None:
    assert heads("logits", False, Z.softmax(1)) == (Head.PROBABILITIES, Head.PROBABILITIES)
    assert heads("", False, Z) == (Head.LOGITS, Head.LOGITS)
