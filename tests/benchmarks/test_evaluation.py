"""The judge of the benchmarks refuses what does not count, and the page says what the cache holds."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.evaluation.overhead import random_problem
from benchmarks.evaluation.page import render
from benchmarks.evaluation.problems import Problem, judge
from benchmarks.evaluation.replay import recorded

EPS = 0.1


def _bright(x: Tensor) -> Tensor:
    """Class 1 where the mean is above 0.55, else class 0."""
    return torch.stack([torch.full((len(x),), 0.55), x.flatten(1).mean(1)], 1)


def _problem(value: float) -> Problem:
    return Problem("", torch.full((1, 1, 2, 2), value), torch.zeros(1, dtype=torch.int64), [0], EPS, _bright)


def test_an_example_inside_the_ball_that_changes_the_label_counts() -> None:
    verdict = judge(_problem(0.5), torch.full((1, 1, 2, 2), 0.59))
    assert verdict.fell.tolist() == [True]
    assert verdict.outside == 0


def test_an_example_outside_the_ball_is_refused_and_told() -> None:
    verdict = judge(_problem(0.5), torch.full((1, 1, 2, 2), 0.6001))
    assert verdict.fell.tolist() == [False]
    assert verdict.outside == 1


def test_an_example_outside_the_box_is_refused() -> None:
    near_white = torch.tensor([[0.95, 0.2, 0.2, 0.2]]).view(1, 1, 2, 2)
    task = Problem("", near_white, torch.zeros(1, dtype=torch.int64), [0], 0.9, _bright)
    verdict = judge(task, torch.tensor([[1.01, 0.9, 0.9, 0.9]]).view(1, 1, 2, 2))
    assert verdict.fell.tolist() == [False]


def test_an_example_that_leaves_the_label_does_not_count() -> None:
    assert judge(_problem(0.4), torch.full((1, 1, 2, 2), 0.45)).fell.tolist() == [False]


def test_what_checks_ask_after_an_attack_is_none_of_its_cost() -> None:
    passes, audited = recorded(random_problem("random_convolutional_16_1_10", 28, 8), ["pgd:steps=3"])
    (run,) = (run for run in audited.model.threats[0].attacks if run.status == "ran")
    assert sum(one.rows for one in passes) == audited.marks.forwards == run.forwards > 0


def _cell(fell: list[int], passes: int, cpu: float) -> dict[str, object]:
    costs = {"forwards": passes, "backwards": 0, "cpu": cpu, "wall": cpu, "outside": 0, "believed": sum(fell)}
    return {"time": 0, "places": [3, 5, 8, 9, 11], "fell": fell, **costs}


def test_the_page_pairs_samples_and_judges_targets() -> None:
    page = render(
        {
            "strength/mnist-pgd/auditor standard/5": _cell([1, 0, 0, 0, 0], 100, 1.0),
            "strength/mnist-pgd/torchattacks, 100 steps/5": _cell([0, 1, 1, 1, 0], 1000, 30.0),
            "strength/mnist-plain/auditor standard/5": _cell([1, 0, 0, 0, 0], 100, 1.0),
            "strength/mnist-plain/torchattacks, 100 steps/5": _cell([0, 0, 0, 0, 0], 1000, 30.0),
        }
    )
    row = next(line for line in page.splitlines() if line.startswith("| mnist-pgd | 0.3 | torchattacks"))
    assert "| 40.0% | 3 / 1 | 200 |" in row
    assert "samples more: mnist-plain -1, mnist-pgd +2 | **no**" in page
    assert "on mnist-pgd 3 of 5 samples fell to torchattacks, 100 steps alone and 1 to us alone" in page
    # Fewer than half of the samples stand against the peer on mnist-pgd, so its cost is not judged.
    assert "passes where more than half of the samples stand | mnist-plain 1/10.0 | **no**" in page
    assert "CPU time where more than half of the samples stand | mnist-plain 1/30.0 | yes" in page


def test_networks_that_nothing_was_tuned_on_are_named_and_judged_apart() -> None:
    page = render(
        {
            "strength/mnist-pgd/auditor standard/5": _cell([0, 0, 0, 0, 0], 100, 1.0),
            "strength/mnist-pgd/torchattacks, 100 steps/5": _cell([1, 1, 0, 0, 0], 1000, 30.0),
            "strength/mnist-silu/auditor standard/5": _cell([1, 0, 0, 0, 0], 100, 1.0),
            "strength/mnist-silu/torchattacks, 100 steps/5": _cell([1, 0, 0, 0, 0], 1000, 30.0),
        }
    )
    assert "| mnist-silu, held out | 0.25 | torchattacks" in page
    assert "on every network that nothing was tuned on | samples more: mnist-silu +0 | yes" in page
    assert "on every network | samples more: mnist-pgd +2, mnist-silu +0 | **no**" in page


def _steps(ours: list[int], theirs: list[int]) -> dict[str, object]:
    tools = {"auditor, ONNX file": ours, "foolbox": theirs}
    known = {"loss": dict.fromkeys(tools, 0.1), "cpu": {"auditor, ONNX file": [0.5], "foolbox": [1.0]}}
    return {"time": 0, "steps": 40, "samples": 10, "standing": 5, "fell": tools, "absent": {}} | known


def test_equal_steps_are_weaker_only_beyond_the_luck_of_the_seeds() -> None:
    target = "at no higher robust accuracy than that peer's, by more than twice the error of the mean over seeds"
    lucky = render({"steps/mnist-pgd/pgd": _steps([3, 5, 4, 5, 3], [4, 5, 4, 5, 3])})
    assert f"{target} | 1 of 1 | yes" in lucky
    assert "| **auditor, ONNX file** | 60.0% |" in lucky
    weaker = render({"steps/mnist-pgd/pgd": _steps([3, 4, 3, 4, 3], [6, 6, 5, 6, 6])})
    assert f"{target} | 0 of 1 | **no**" in weaker
    assert "mnist-pgd/pgd breaks 3.4 samples and foolbox 5.8" in weaker


def test_a_page_of_nothing_claims_nothing() -> None:
    page = render({})
    assert "| yes |" not in page
    assert "not measured" in page


def test_thorough_stands_beside_the_others_on_the_samples_that_it_attacked() -> None:
    page = render(
        {
            "strength/mnist-pgd/auditor standard/5": _cell([1, 0, 0, 1, 0], 100, 1.0),
            "strength/mnist-pgd/auditor thorough/2": _cell([1, 1], 9000, 9.0) | {"places": [3, 5]},
            "strength/mnist-pgd/torchattacks, 100 steps/5": _cell([0, 1, 1, 1, 0], 1000, 30.0),
        }
    )
    row = next(line for line in page.splitlines() if line.startswith("| mnist-pgd | 2 |"))
    assert row == "| mnist-pgd | 2 | 0.0% | 4,500 | 50.0%, 0 / 1 | 50.0%, 0 / 1 | – |"
    assert sum("auditor thorough" in line for line in page.splitlines()) == 0
