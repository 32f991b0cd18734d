"""The referee counts only what holds: in the ball, in the box, finite, and wrong alone and in a batch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from auditor import Norm, Threat
from auditor.engine.aims import Aims
from auditor.engine.referee import judge

LINF = Threat(norm=Norm.LINF, eps=0.1)


def test_an_honest_example_counts(target, images) -> None:
    verdict = judge(target, images([0.45]), images([0.54]), Aims(torch.tensor([0])), LINF)
    assert verdict.counts.tolist() == [True]
    assert verdict.prediction.tolist() == [1]
    assert verdict.distance.item() == pytest.approx(0.09, abs=1e-6)
    assert verdict.confidence.item() == pytest.approx(torch.tensor([-0.4, 0.4]).softmax(0)[1].item(), abs=1e-5)


@pytest.mark.parametrize(
    ("candidate", "why"),
    [(0.551, "outside the ball"), (0.46, "labelled right"), (float("nan"), "not finite")],
)
def test_others_do_not(target, images, candidate: float, why: str) -> None:
    verdict = judge(target, images([0.45]), images([candidate]), Aims(torch.tensor([0])), LINF)
    assert verdict.counts.tolist() == [False], why


def test_rounding_alone_does_not_refute(target, images) -> None:
    x = images([0.45])
    verdict = judge(target, x, x + 0.1 + 2e-7, Aims(torch.tensor([0])), LINF)
    assert verdict.counts.tolist() == [True]


def test_in_l0_one_entry_too_many_refutes(target) -> None:
    x = torch.full((1, 1, 2, 2), 0.4)
    candidates = torch.tensor([[1.0, 1.0, 0.4, 0.4], [0.9, 0.9, 0.4001, 0.4]]).view(2, 1, 2, 2)
    verdict = judge(
        target, x.expand(2, -1, -1, -1), candidates, Aims(torch.tensor([0, 0])), Threat(norm=Norm.L0, eps=2.0)
    )
    assert verdict.counts.tolist() == [True, False]
    assert verdict.distance.tolist() == [2.0, 3.0]


def test_pixels_outside_the_box_do_not_count(build, images) -> None:
    target = build(lambda x: torch.stack([1.0 - x.flatten(1).amax(1), x.flatten(1).amax(1) - 1.0], 1))
    verdict = judge(target, images([0.95]), images([1.04]), Aims(torch.tensor([0])), LINF)
    assert verdict.counts.tolist() == [False]


def test_an_example_that_fools_only_in_company_does_not_count(build, images) -> None:
    """A model whose answer depends on its batch mates: wrong whenever it is asked about two at once."""

    def network(x: Tensor) -> Tensor:
        wrong = float(len(x) > 1)
        return torch.tensor([[1.0 - wrong, wrong]]).repeat(len(x), 1)

    verdict = judge(build(network), images([0.4, 0.4]), images([0.41, 0.41]), Aims(torch.tensor([0, 0])), LINF)
    assert verdict.counts.tolist() == [False, False]


def test_nan_answers_do_not_count(build, images) -> None:
    target = build(lambda x: torch.full((len(x), 2), torch.nan))
    assert judge(target, images([0.45]), images([0.5]), Aims(torch.tensor([0])), LINF).counts.tolist() == [False]


def test_no_candidates_are_no_problem(target, images) -> None:
    verdict = judge(target, images([]), images([]), Aims(torch.zeros(0, dtype=torch.int64)), LINF)
    assert len(verdict.counts) == 0
