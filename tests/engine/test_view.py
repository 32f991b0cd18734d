"""Attacks see a target through a view, which counts, remembers, spares and stops."""

from __future__ import annotations

import math
import time

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from auditor import Access, Norm, PluginError, Threat, View, margins
from auditor.engine.ledger import Ledger
from auditor.engine.view import Finished, OutOfTime
from auditor.norms import distance
from auditor.target.base import Target
from auditor.target.forms import Form
from auditor.target.search import Search
from tests.oracles import target_of

LINF = Threat(norm=Norm.LINF, eps=0.1)


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    return functional.cross_entropy(logits, y, reduction="none")


def opened(x: Tensor, y: Tensor, threat: Threat = LINF, margin: float = 0.0, deadline: float = float("inf")) -> Ledger:
    return Ledger.open(x, y, threat, 2, margin, deadline)


def test_margin_is_the_best_wrong_logit_less_the_true_one() -> None:
    logits = torch.tensor([[1.0, 3.0, 2.0], [5.0, 1.0, 0.0]])
    assert margins(logits, torch.tensor([1, 1])).tolist() == [-1.0, 4.0]


def test_the_gradient_is_the_networks_own(target, images) -> None:
    x, y = images([0.45, 0.7]), torch.tensor([0, 1])
    loss, gradient, logits, margin = View(target, opened(x, y), Access.GRADIENTS).gradient(x, y, cross_entropy)
    leaf = x.clone().requires_grad_(True)
    expected = cross_entropy(target.differentiable(leaf), y)
    expected.sum().backward()
    assert torch.allclose(loss, expected)
    assert torch.allclose(gradient, leaf.grad)
    assert torch.allclose(logits, target.answer(x))
    assert torch.equal(margin, margins(logits, y))


def test_passes_are_counted_in_samples(target, images) -> None:
    x, y = images([0.3, 0.7, 0.9]), torch.tensor([0, 1, 1])
    ledger = opened(x, y)
    view = View(target, ledger, Access.GRADIENTS)
    view.logits(x)
    view.gradient(x, y, cross_entropy)
    assert (ledger.forwards, ledger.backwards) == (6, 3)


def test_an_example_seen_on_the_way_is_kept_even_if_the_attack_forgets_it(target, images) -> None:
    x, y = images([0.45, 0.7]), torch.tensor([0, 1])
    ledger = opened(x, y)
    View(target, ledger, Access.SCORES).logits(images([0.54, 0.69]))
    assert ledger.found.tolist() == [True, False]
    assert torch.equal(ledger.best[0], images([0.54])[0])


def test_a_candidate_outside_the_ball_or_the_box_is_no_example(target, images) -> None:
    x, y = images([0.45, 0.05]), torch.tensor([0, 0])
    ledger = opened(x, y)
    View(target, ledger, Access.SCORES).logits(images([0.56, 0.9]))
    assert ledger.found.tolist() == [False, False]


def test_samples_that_fell_cost_no_further_pass(target, network, images) -> None:
    x, y = images([0.45, 0.7, 0.9]), torch.tensor([0, 1, 1])
    view = View(target, opened(x, y), Access.SCORES)
    view.logits(images([0.54, 0.7, 0.9]))
    view.logits(images([0.45, 0.7, 0.9]))
    assert network.calls == [3, 2]


def test_a_fallen_row_repeats_its_last_answer_with_no_gradient(target, images) -> None:
    x, y = images([0.45, 0.7]), torch.tensor([0, 1])
    view = View(target, opened(x, y), Access.GRADIENTS)
    fell = view.logits(images([0.54, 0.7]))
    again = view.gradient(x, y, cross_entropy)
    assert torch.equal(again.logits[0], fell[0])
    assert again.gradient[0].abs().sum() == 0
    assert again.gradient[1].abs().sum() > 0


def test_losses_may_hold_tensors_of_the_whole_batch(target, images) -> None:
    x, y = images([0.45, 0.7, 0.8]), torch.tensor([0, 1, 1])
    view = View(target, opened(x, y), Access.GRADIENTS)
    view.logits(images([0.54, 0.7, 0.8]))
    goals = 1 - y
    answer = view.gradient(x, y, lambda logits, _: logits.gather(1, goals[:, None]).squeeze(1))
    assert answer.loss.shape == (3,)


def test_the_attack_ends_when_every_sample_fell(target, images) -> None:
    x, y = images([0.45]), torch.tensor([0])
    view = View(target, opened(x, y), Access.SCORES)
    view.logits(images([0.54]))
    with pytest.raises(Finished):
        view.logits(x)


def test_the_attack_ends_when_the_time_is_up(target, images) -> None:
    x, y = images([0.45]), torch.tensor([0])
    view = View(target, opened(x, y, deadline=time.monotonic() - 1), Access.SCORES)
    with pytest.raises(OutOfTime):
        view.logits(x)


def test_a_twin_must_be_fooled_by_more_than_the_margin(target, images) -> None:
    x, y = images([0.45]), torch.tensor([0])
    ledger = opened(x, y, margin=0.5)
    view = View(target, ledger, Access.SCORES)
    view.logits(images([0.51]))
    assert not ledger.found.any()
    view.logits(images([0.54]))
    assert ledger.found.all()


@pytest.mark.parametrize("access", [Access.SCORES, Access.LABELS])
def test_gradients_are_for_attacks_that_declare_them(target, images, access: Access) -> None:
    x, y = images([0.45]), torch.tensor([0])
    with pytest.raises(PluginError):
        View(target, opened(x, y), access).gradient(x, y, cross_entropy)


def test_scores_are_not_for_attacks_that_see_labels(target, images) -> None:
    x, y = images([0.45]), torch.tensor([0])
    view = View(target, opened(x, y), Access.LABELS)
    with pytest.raises(PluginError):
        view.logits(x)
    assert view.labels(x).tolist() == [0]


def test_a_part_of_the_rows_can_be_asked_alone(target, network, images) -> None:
    x, y = images([0.3, 0.7, 0.9]), torch.tensor([0, 1, 1])
    ledger = opened(x, y)
    part = View(target, ledger, Access.SCORES).select(torch.tensor([0, 2]))
    assert part.labels(x[[0, 2]]).tolist() == [0, 1]
    assert network.calls == [2]
    part.logits(images([0.3, 0.9]))
    assert not ledger.found.any()


def test_nan_answers_are_no_examples(build, images) -> None:
    target = build(lambda x: torch.full((len(x), 2), torch.nan))
    x, y = images([0.45]), torch.tensor([0])
    ledger = opened(x, y)
    View(target, ledger, Access.SCORES).logits(x)
    assert not ledger.found.any()


@pytest.mark.parametrize(("norm", "eps"), [(Norm.L2, 0.2), (Norm.L1, 0.4)])
def test_other_norms_have_their_own_ball(target, images, norm: Norm, eps: float) -> None:
    """Four pixels moved by d have size 2d in l2 and 4d in l1: d = 0.1 is the radius of both."""
    x, y = images([0.41, 0.39]), torch.tensor([0, 0])
    ledger = opened(x, y, Threat(norm=norm, eps=eps))
    View(target, ledger, Access.SCORES).logits(images([0.505, 0.505]))
    assert ledger.found.tolist() == [True, False]


class Narrow(nn.Module):
    """Class 1 where the mean of `(N, 1, 2, 2)` exceeds 0.4988; its bias, -49.88, is -50 in bfloat16, so there 0.5."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 2)
        self.linear.weight.data = torch.tensor([[0.0] * 4, [25.0] * 4])
        self.linear.bias.data = torch.tensor([0.0, -49.88])

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.linear(x.flatten(1))
        return answer


def searched(build, stray: float) -> Target:
    module = Narrow().requires_grad_(False)
    target = build(module)
    form = Form(numbers="bfloat16")
    target.search = Search(form(module), form, 0.5, stray)
    return target


def test_what_only_bfloat16_takes_for_an_example_is_none(build, images) -> None:
    target, at = searched(build, stray=0.3), images([0.4990])
    assert target.searching(at).argmax(1).tolist() == [0]
    assert target.differentiable(at).argmax(1).tolist() == [1]
    ledger = opened(images([0.55]), torch.tensor([1]))
    View(target, ledger, Access.GRADIENTS).gradient(at, torch.tensor([1]), cross_entropy)
    assert ledger.found.tolist() == [False]
    assert torch.equal(ledger.best, ledger.x)
    assert (ledger.forwards, ledger.backwards) == (2, 1)


@pytest.mark.parametrize(("stray", "found"), [(0.3, True), (0.01, False)])
def test_what_bfloat16_narrowly_misses_is_asked_of_the_twin(build, images, stray: float, found: bool) -> None:
    target, at = searched(build, stray), images([0.4990])
    ledger = opened(images([0.45]), torch.tensor([0]))
    View(target, ledger, Access.GRADIENTS).gradient(at, torch.tensor([0]), cross_entropy)
    assert ledger.found.tolist() == [found]
    assert torch.equal(ledger.best, at) is found


def test_far_from_the_border_the_twin_is_not_asked(build, images) -> None:
    ledger, at = opened(images([0.3, 0.4]), torch.tensor([0, 0])), images([0.3, 0.4990])
    View(searched(build, stray=0.3), ledger, Access.GRADIENTS).gradient(at, torch.tensor([0, 0]), cross_entropy)
    assert (ledger.forwards, ledger.found.tolist()) == (3, [False, True])


def test_the_twin_is_asked_again_where_what_it_said_before_leaves_doubt(build, images) -> None:
    # All of them are numbers of bfloat16, which takes the margins for 0.12 more than they are.
    ledger = opened(images([0.55]), torch.tensor([1]))
    view = View(searched(build, stray=1.0), ledger, Access.GRADIENTS)
    far, on_the_way, closer, near = (0.5 + steps / 256 for steps in (3, 2, 1, 0))

    def asked(at: float) -> bool:
        before = ledger.forwards
        answer = view.gradient(images([at]), torch.tensor([1]), cross_entropy)
        shown = 49.88 - 100.0 * at
        assert at == far or float(answer.margin) == pytest.approx(shown, abs=1e-3)
        return ledger.forwards - before == 2

    walk = (on_the_way, on_the_way, closer, near, far, on_the_way)
    assert [asked(at) for at in walk] == [True, False, False, True, False, True]


def test_an_attacks_question_for_scores_is_answered_by_the_twin(build, images) -> None:
    target, at = searched(build, stray=0.3), images([0.4990])
    view = View(target, opened(images([0.55]), torch.tensor([1])), Access.GRADIENTS)
    assert view.labels(at).tolist() == [1]


def test_where_the_smallest_change_is_looked_for_the_smallest_example_is_kept_and_nobody_falls() -> None:
    x, y = torch.full((2, 2), 0.5), torch.zeros(2, dtype=torch.int64)
    # Wrong from a first pixel of 0.6 on.
    target = target_of(lambda x: torch.stack([0.6 - x[:, 0], x[:, 0] - 0.6], 1), 2)
    ledger = Ledger.open(x, y, Threat(norm=Norm.L2, eps=math.inf), 2, margin=0.0, deadline=math.inf)
    view = View(target, ledger, Access.SCORES)
    for first in (0.9, 0.7, 0.8, 0.55):
        view.logits(torch.tensor([[first, 0.5], [0.5, 0.5]]))
    assert view.nearest[0].tolist() == pytest.approx([0.7, 0.5])
    assert view.nearest_distance.tolist() == pytest.approx([0.2, math.inf])
    assert ledger.found.tolist() == [True, False]
    assert view.active.all()
    assert ledger.asked.tolist() == [4, 4]


def test_a_model_that_answers_at_random_is_asked_several_times_and_each_answer_counts() -> None:
    turn = iter(range(100))

    def alternating(x: Tensor) -> Tensor:
        return torch.stack([x.flatten(1).sum(1), torch.full((len(x),), float(next(turn) % 2))], 1)

    x = torch.full((1, 2), 0.3)
    ledger = opened(x, torch.tensor([0]))
    ledger.draws = 4
    view = View(target_of(alternating, 2), ledger, Access.GRADIENTS)
    assert view.logits(x)[0].tolist() == pytest.approx([0.6, 0.5])
    answer = view.gradient(x, ledger.y, lambda logits, y: -logits[:, 0])
    assert answer.gradient.tolist() == [[-1.0, -1.0]]
    assert (ledger.forwards, ledger.backwards) == (8, 4)


def test_candidates_may_repeat_rows_and_each_is_counted_and_judged(target, images) -> None:
    ledger = opened(images([0.45, 0.7]), torch.tensor([0, 1]))
    view = View(target, ledger, Access.SCORES)
    rows = torch.tensor([1, 0, 1, 0])
    at = images([0.69, 0.54, 0.68, 0.46])
    assert torch.equal(view.answers(at, rows), target.answer(at))
    assert ledger.asked.tolist() == [2, 2]
    assert ledger.found.tolist() == [True, False]
    assert float(ledger.best[0].mean()) == pytest.approx(0.54)
    # The first row fell; what is asked about it costs nothing more.
    view.answers(at, rows)
    assert ledger.asked.tolist() == [2, 4]


def test_gradients_flow_back_through_answers_and_are_counted_when_they_do(target, images) -> None:
    ledger = opened(images([0.3, 0.9]), torch.tensor([0, 1]))
    view, rows = View(target, ledger, Access.GRADIENTS), torch.tensor([1, 0, 1])
    points = images([0.85, 0.35, 0.8]).requires_grad_()
    answer = view.answers(points, rows)
    assert (ledger.forwards, ledger.backwards) == (3, 0)
    (gradient,) = torch.autograd.grad(answer[:, 0].sum(), points)
    (expected,) = torch.autograd.grad(target.differentiable(points)[:, 0].sum(), points)
    assert torch.equal(gradient, expected)
    assert ledger.climbed.tolist() == [1, 2]
    # Where all of the rows fell, gradients are zero and cost nothing.
    ledger.active[1] = False
    again = view.answers(points, torch.tensor([1, 1, 1]))
    assert not torch.autograd.grad(again.sum(), points)[0].any()
    assert (ledger.forwards, ledger.backwards) == (3, 3)


def test_answers_to_an_attack_that_sees_labels_are_labels(target, images) -> None:
    view = View(target, opened(images([0.3, 0.9]), torch.tensor([0, 1])), Access.LABELS)
    assert view.answers(images([0.3, 0.9]), torch.tensor([0, 1])).tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_of_examples_seen_together_only_the_smaller_ones_inside_the_box_replace_what_is_known() -> None:
    x, y = torch.full((4, 2), 0.5), torch.zeros(4, dtype=torch.int64)
    ledger = Ledger.open(x, y, Threat(norm=Norm.LINF, eps=math.inf), 2, 0.0, math.inf)
    wrong, right = torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.0])
    everyone = torch.arange(4)
    ledger.record(everyone, x + torch.tensor([0.25, 0.25, 0.25, 0.5])[:, None], wrong.expand(4, 2))
    # Smaller; larger; smaller but right; outside of the box in a place where it would be smaller.
    ledger.x[3] = 0.875
    offers = torch.tensor([0.125, 0.375, 0.125, 0.25])
    ledger.record(everyone.clone(), ledger.x + offers[:, None], torch.stack([wrong, wrong, right, wrong]))
    assert ledger.best_distance.tolist() == [0.125, 0.25, 0.25, 0.5]
    assert ledger.best[:, 0].tolist() == [0.625, 0.75, 0.75, 1.0]


@pytest.mark.parametrize("norm", [Norm.LINF, Norm.L2, Norm.L1, Norm.L0])
def test_an_example_that_is_smaller_by_less_than_float32_tells_is_kept(norm: Norm) -> None:
    """Most are discarded by sizes in float32, which a sum over many entries rounds."""
    n = 40_000
    x, y = torch.full((1, n), 0.25), torch.zeros(1, dtype=torch.int64)
    ledger = Ledger.open(x, y, Threat(norm=norm, eps=math.inf), 2, 0.0, math.inf)
    larger = x + 0.1
    smaller = larger.clone()
    smaller[0, 7] = x[0, 7] if norm is Norm.L0 else larger[0, 7].nextafter(torch.tensor(0.0))
    if norm is Norm.LINF:
        smaller[:] = smaller[0, 7]
    sizes = []
    for candidate in (larger, smaller, larger):
        ledger.record(torch.arange(1), candidate, torch.tensor([[0.0, 1.0]]))
        sizes.append(float(ledger.best_distance[0]))
    assert sizes[1] < sizes[0]
    assert sizes[2] == sizes[1] == float(distance(smaller, x, norm))
