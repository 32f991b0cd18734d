"""Gradients are judged by the deployed model's own answers: right answers with wrong gradients are seen."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from auditor.target.agreement import agreement, distrust
from auditor.target.base import ModelOptions, Network, Target
from auditor.target.head import Head
from auditor.target.slopes import Slopes, compare_slopes

X = torch.rand(6, 3, 12, 12, generator=torch.Generator().manual_seed(0))


class Recurrent(nn.Module):
    """The rows of an image, one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(36, 16, batch_first=True), nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.head(self.lstm(x.permute(0, 2, 1, 3).flatten(2))[0][:, -1])
        return answer


def network(kind: str) -> nn.Module:
    torch.manual_seed(3)
    if kind == "recurrent":
        return Recurrent().eval()
    act = nn.GELU if kind == "smooth" else nn.ReLU
    pool = nn.AvgPool2d(2) if kind == "smooth" else nn.MaxPool2d(2)
    body = [nn.Conv2d(3, 8, 3), act(), pool, nn.Conv2d(8, 8, 3), act(), nn.Flatten(), nn.Linear(72, 5)]
    return nn.Sequential(*body, *([nn.Softmax(1)] if kind == "softmax" else [])).eval()


def target(deployed: Network, twin: Network | None = None, **details: object) -> Target:
    return Target(
        name="m",
        source="m.onnx",
        sha256="",
        format="onnx",
        deployed=deployed,
        twin=twin or deployed,
        gradients="twin",
        input_shape=None,
        options=ModelOptions(),
        device=torch.device("cpu"),
        num_classes=5,
        details=details,
    )


def slopes_of(asked: Target) -> Slopes:
    found = compare_slopes(asked, X)
    assert found is not None
    return found


class Bent(torch.autograd.Function):
    """The identity, whose gradient is multiplied by something."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor, factor: Tensor) -> Tensor:
        ctx.save_for_backward(factor)
        return x.clone()

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> tuple[Tensor, None]:
        (factor,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return gradient * factor, None


def bent(net: Network, factor: Tensor) -> Network:
    return lambda x: net(Bent.apply(x, factor))


@pytest.mark.parametrize("kind", ["kinks", "smooth", "softmax", "recurrent"])
def test_the_gradients_of_a_right_twin_hold(kind: str) -> None:
    asked = target(network(kind))
    if kind == "softmax":
        asked = replace(asked, head=Head.PROBABILITIES, twin_head=Head.PROBABILITIES)
    found = slopes_of(asked)
    assert found.holds
    assert found.judged >= 3
    assert found.n == 4
    assert found.error <= 0.5 * found.tolerance
    assert found.factor == pytest.approx(1.0, abs=0.02)


WRONG = {
    "zero": torch.zeros(()),
    "a tenth too large": torch.tensor(1.1),
    "a tenth too small": torch.tensor(0.9),
    "of the wrong sign": torch.tensor(-1.0),
    "missing for one pixel in ten": (torch.arange(X[0].numel()) % 10 != 0).view(X.shape[1:]).float(),
    "without a channel": torch.tensor([1.0, 1.0, 0.0]).view(3, 1, 1),
    "not finite": torch.tensor(float("nan")),
}


@pytest.mark.parametrize("kind", ["kinks", "smooth", "recurrent"])
@pytest.mark.parametrize("how", WRONG)
def test_a_gradient_that_is_wrong_is_seen_though_the_answers_are_right(kind: str, how: str) -> None:
    net = network(kind)
    result = agreement(target(net, bent(net, WRONG[how])), X)
    assert result.answers_agree
    assert result.max_abs_diff == 0.0
    assert not result.holds


def test_a_twin_cut_off_from_its_input_does_not_hold() -> None:
    net = network("smooth")
    found = slopes_of(target(net, lambda x: net(x).detach()))
    assert (found.holds, found.factor, found.error) == (False, 0.0, 1.0)


def test_a_branch_that_is_detached_is_seen() -> None:
    net, other = network("smooth"), network("kinks")
    found = slopes_of(target(lambda x: net(x) + other(x), lambda x: net(x) + other(x).detach()))
    assert not found.holds


def test_the_factor_says_by_how_much_the_gradient_is_too_large() -> None:
    net = network("smooth")
    assert slopes_of(target(net, bent(net, torch.tensor(1.25)))).factor == pytest.approx(1.25, abs=0.01)


@pytest.mark.parametrize(("factor", "holds"), [(1.04, True), (1.06, False), (0.94, False)])
def test_a_factor_is_seen_where_single_slopes_are_too_uncertain_to_show_it(factor: float, holds: bool) -> None:
    found = Slopes(judged=4, n=4, error=0.1, tolerance=0.2, factor=factor, factor_tolerance=0.05)
    assert found.holds is holds


def test_the_finding_says_that_it_is_the_gradients_that_differ() -> None:
    net = network("smooth")
    finding = distrust(agreement(target(net, bent(net, torch.tensor(2.0))), X))
    assert finding.code == "AUD114"
    assert "the two answer alike, but the gradients are not those of the deployed model" in finding.detail
    assert re.search(r"gradients are (1\.99|2\.00)\d times the slopes", finding.detail)


def test_no_sample_leaves_the_unit_box() -> None:
    net, seen = network("smooth"), []

    def deployed(x: Tensor) -> Tensor:
        seen.append(x)
        return net(x)  # type: ignore[no-any-return]

    corners = (X > 0.5).float()
    compare_slopes(target(deployed, net), corners)
    asked = torch.cat(seen)
    assert asked.min() >= 0.0
    assert asked.max() <= 1.0


def test_answers_that_are_mostly_rounding_are_not_judged() -> None:
    net, generator = network("smooth"), torch.Generator().manual_seed(0)

    def noisy(x: Tensor) -> Tensor:
        answer = net(x)
        return answer + torch.randn(answer.shape, generator=generator)  # type: ignore[no-any-return]

    found = slopes_of(target(noisy, bent(net, torch.tensor(0.0))))
    assert (found.judged, found.holds) == (0, True)
    assert "not judged" in found.summary


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_kink_right_at_the_samples_is_not_held_against_the_twin(side: float) -> None:
    """Both one-sided gradients are right there, and a central difference is their mean."""
    asked: list[Tensor] = []

    def kinked(x: Tensor) -> Tensor:
        asked.append(x.detach())
        z = asked[0]  # the samples themselves come first
        place = z[torch.cdist(x.detach().flatten(1), z.flatten(1)).argmin(1)]
        moved = (x - place).flatten(1)[:, :300].view(len(x), 5, 60).sum(2)
        # At zero itself the gradient is that of one side.
        return torch.where(moved * side > 0, moved, 3.0 * moved)

    found = slopes_of(target(kinked))
    assert found.judged == 0


def test_a_model_that_always_says_the_same_has_no_slopes_to_judge() -> None:
    assert slopes_of(target(lambda x: torch.ones(len(x), 5) + 0.0 * x.sum())).judged == 0


def test_a_network_of_whole_numbers_is_not_asked() -> None:
    assert compare_slopes(replace(target(network("smooth")), input_dtype=torch.uint8), X) is None


def test_a_quantised_model_whose_answers_roundings_decide_is_not_judged() -> None:
    def restless(x: Tensor) -> Tensor:
        return (1e6 * x.flatten(1)[:, :5]).sin()

    found = slopes_of(target(restless, quantised=True))
    assert (found.judged, found.holds) == (0, True)


def quantised(net: Network, factor: float) -> Target:
    """Answers in steps; gradients straight through, times `factor`."""

    def coarse(x: Tensor) -> Tensor:
        return (net(x) * 50).round() / 50

    def twin(x: Tensor) -> Tensor:
        answer = bent(net, torch.tensor(factor))(x)
        return answer + (coarse(x) - answer).detach()

    return target(coarse, twin, quantised=True)


@pytest.mark.parametrize(("factor", "holds"), [(1.0, True), (3.0, True), (-1.0, False)])
def test_a_quantised_model_is_asked_whether_its_gradient_leads_uphill(factor: float, holds: bool) -> None:
    found = slopes_of(quantised(network("kinks"), factor))
    assert found.holds is holds
    assert (found.judged, found.uphill) == (4, 4 if holds else 0)


@pytest.mark.parametrize("seed", range(10))
def test_right_twins_raise_no_alarm_whatever_the_samples(seed: int) -> None:
    x = torch.rand(4, 3, 12, 12, generator=torch.Generator().manual_seed(100 + seed))
    found = compare_slopes(target(network("kinks")), x)
    assert found is not None
    assert found.holds
    assert found.judged > 0
