"""Whether a twin may be trusted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from auditor.check import Severity
from auditor.target.agreement import agreement, distrust
from auditor.target.base import ModelOptions, Target
from auditor.target.head import Head

X = torch.rand(70, 6, generator=torch.Generator().manual_seed(0))
WEIGHT = torch.randn(4, 6, generator=torch.Generator().manual_seed(1)) * 3
Function = Callable[[Tensor], Tensor]


def scores(x: Tensor) -> Tensor:
    return x @ WEIGHT.T


def target(deployed: Function, twin: Function, *, quantised: bool = False, head: Head = Head.LOGITS) -> Target:
    return Target(
        name="m",
        source="m.onnx",
        sha256="",
        format="onnx",
        deployed=deployed,
        twin=twin,
        gradients="twin",
        input_shape=None,
        options=ModelOptions(),
        device=torch.device("cpu"),
        head=head,
        details={"quantised": quantised},
    )


def test_a_twin_that_differs_by_rounding_agrees() -> None:
    result = agreement(target(scores, lambda x: scores(x) + 1e-5), X)
    assert result.holds
    assert (result.n, result.label_flips, result.quantum) == (70, 0, None)
    assert result.scale == pytest.approx(float(scores(X).max() - scores(X).min()))


def test_the_largest_difference_is_measured_over_all_samples() -> None:
    def twin(x: Tensor) -> Tensor:
        return scores(x) + 5.0 * (x == X[-1]).all(1, keepdim=True)

    result = agreement(target(scores, twin), X)
    assert result.max_abs_diff == pytest.approx(5.0, abs=1e-5)
    assert not result.holds


@pytest.mark.parametrize(("share", "holds"), [(0.9e-3, True), (1.1e-3, False)])
def test_a_thousandth_of_the_range_of_the_logits_is_the_limit(share: float, holds: bool) -> None:
    spread = scores(X).max() - scores(X).min()
    assert agreement(target(scores, lambda x: scores(x) + share * spread), X).holds is holds


def test_probabilities_that_a_quantised_head_rounds_agree_with_those_that_it_is_given() -> None:
    """Ten classes that are nearly alike: all of the range is three steps of the rounding."""

    def nearly(x: Tensor) -> Tensor:
        return 0.02 * torch.cat([scores(x), scores(x).flip(1)], 1)

    def rounded(x: Tensor) -> Tensor:
        return (nearly(x).softmax(1) * 256).round() / 256

    model = target(rounded, lambda x: nearly(x).softmax(1), quantised=True, head=Head.PROBABILITIES)
    model.twin_head = Head.PROBABILITIES
    assert agreement(model, X).answers_agree
    model.details = {"quantised": False}
    assert not agreement(model, X).answers_agree


def test_labels_that_flip_although_the_model_was_sure_are_counted() -> None:
    result = agreement(target(scores, lambda x: scores(x).flip(1)), X)
    assert result.label_flips > 30
    assert not result.holds


def test_second_best_classes_in_another_order_are_counted() -> None:
    """Every single score is within the tolerance of 5 %, and the order of two that are 6 % apart is not."""

    def ranked(gap: float) -> Function:
        return lambda x: torch.tensor([1.0, 0.5 + gap, 0.5 - gap, 0.0]).expand(len(x), 4) + 0.0 * x[:, :4]

    result = agreement(target(ranked(0.03), ranked(-0.01), quantised=True), X)
    assert result.max_abs_diff < result.tolerance
    assert (result.label_flips, result.rank_flips, result.holds) == (0, 70, False)
    assert agreement(target(ranked(0.02), ranked(-0.02), quantised=True), X).holds


def test_a_near_tie_may_fall_either_way() -> None:
    def tie(x: Tensor) -> Tensor:
        return torch.stack([x[:, 0], x[:, 0] + 1e-6], 1)

    assert agreement(target(tie, lambda x: tie(x).flip(1)), X).holds


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_twin_with_other_infinities_does_not_agree(value: float) -> None:
    result = agreement(target(scores, lambda x: torch.where(x[:, :1] > 0.9, value, scores(x))), X)
    assert result.max_abs_diff == float("inf")
    assert not result.holds


def test_infinities_in_the_same_places_are_no_difference() -> None:
    def masked(x: Tensor) -> Tensor:
        return torch.where(torch.arange(4) == 3, -torch.inf, scores(x))

    assert agreement(target(masked, masked), X).holds


def test_a_model_that_always_says_the_same_agrees_with_its_twin_up_to_rounding() -> None:
    def constant(x: Tensor) -> Tensor:
        return torch.full((len(x), 3), 100.0)

    assert agreement(target(constant, lambda x: constant(x) + 1e-5), X).holds


@pytest.mark.parametrize("factor", [1.0, 30.0])
def test_a_saturated_softmax_agrees_with_the_logits_before_it(factor: float) -> None:
    network = target(lambda x: (factor * scores(x)).softmax(1), lambda x: factor * scores(x), head=Head.PROBABILITIES)
    assert agreement(replace(network, twin_head=Head.SOFTMAX_INPUT), X).holds


@pytest.mark.parametrize("columns", [1, 4])
def test_a_saturated_sigmoid_agrees_with_the_logits_before_it(columns: int) -> None:
    def before(x: Tensor) -> Tensor:
        return 10 * scores(x)[:, :columns]

    head, twin = (
        (Head.BINARY_PROBABILITY, Head.BINARY_LOGIT) if columns == 1 else (Head.INDEPENDENT_PROBABILITIES, Head.LOGITS)
    )
    assert agreement(replace(target(lambda x: before(x).sigmoid(), before, head=head), twin_head=twin), X).holds


def on_grid(step: float, off: int = 0) -> Function:
    """Scores rounded to a grid, as the last operator of a quantised model does; some by `off` steps elsewhere."""
    return lambda x: step * ((scores(x) / step).round() + off * (x[:, :1] > 0.5))


@pytest.mark.parametrize(("off", "holds"), [(0, True), (1, True), (2, True), (3, False)])
def test_a_coarsely_quantised_model_is_judged_in_steps_of_its_output(off: int, holds: bool) -> None:
    result = agreement(target(on_grid(2.0), on_grid(2.0, off), quantised=True), X)
    assert result.quantum == pytest.approx(2.0, rel=1e-3)
    assert result.max_abs_diff == pytest.approx(off * 2.0, abs=1e-6)
    assert result.holds is holds


@pytest.mark.parametrize(("off", "holds"), [(5, True), (100, False)])
def test_a_finely_quantised_model_may_differ_by_what_roundings_add_up_to(off: int, holds: bool) -> None:
    assert agreement(target(on_grid(0.05), on_grid(0.05, off), quantised=True), X).holds is holds


def test_a_quantised_model_with_a_softmax_is_judged_in_steps_of_its_probabilities() -> None:
    def deployed(x: Tensor) -> Tensor:
        return (scores(x).softmax(1) * 256).round() / 256

    network = target(deployed, scores, quantised=True, head=Head.PROBABILITIES)
    result = agreement(replace(network, twin_head=Head.SOFTMAX_INPUT), X)
    assert result.quantum == pytest.approx(1 / 256, rel=1e-3)
    assert result.holds


def test_a_quantised_model_that_answers_in_floats_may_differ_by_a_twentieth_of_its_range() -> None:
    spread = float(scores(X).max() - scores(X).min())
    assert agreement(target(scores, lambda x: scores(x) + 0.04 * spread, quantised=True), X).holds
    assert not agreement(target(scores, lambda x: scores(x) + 0.06 * spread, quantised=True), X).holds


@pytest.mark.parametrize(("share", "holds"), [(0.15, True), (0.35, False)])
def test_a_quantised_model_may_differ_by_twice_what_a_millionth_changes(share: float, holds: bool) -> None:
    spread = float(scores(X).max() - scores(X).min())

    def restless(x: Tensor) -> Tensor:
        return scores(x) + 0.1 * spread * (x != X[: len(x)]).any(1, keepdim=True)

    first = X[:32]
    assert agreement(target(restless, lambda x: scores(x) + share * spread, quantised=True), first).holds is holds


def test_a_twin_that_is_not_trusted_is_dropped_and_the_finding_says_by_how_much() -> None:
    network = target(on_grid(2.0), on_grid(2.0, 7), quantised=True)
    finding = distrust(agreement(network, X))
    assert (finding.code, finding.severity) == ("AUD114", Severity.WARN)
    assert "70 samples" in finding.detail
    assert "7.0 steps" in finding.detail
    network.drop_twin(finding)
    assert (network.twin, network.gradients, network.findings) == (None, "none", [finding])


def test_the_summary_is_one_sentence_with_the_verdict_the_distance_and_the_gradients() -> None:
    said = agreement(target(scores, lambda x: 1.0 * scores(x)), X).summary
    assert said.startswith("agrees on 70 samples: logits the same; gradients are 1.000 times")
    assert agreement(target(scores, lambda x: scores(x).flip(1)), X).summary.startswith("DISAGREES on 70 samples")
