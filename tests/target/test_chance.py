"""A model that answers at random is taken to say what most of its draws name."""

from __future__ import annotations

import torch
from torch import Tensor

from auditor.target.chance import by_majority


def answers(*draws: list[list[float]]) -> list[Tensor]:
    return [torch.tensor(draw) for draw in draws]


def judged(*draws: list[list[float]]) -> Tensor:
    left = iter(answers(*draws))
    return by_majority(lambda x: next(left), torch.zeros(len(draws[0]), 1), len(draws))


def test_the_class_that_most_draws_name_comes_first_whatever_the_mean_says() -> None:
    said = judged([[1.0, 0.0]], [[1.0, 0.0]], [[0.0, 9.0]])
    assert said.argmax(1).tolist() == [0]
    assert said[0, 1].item() == 3.0  # The mean, which another class leads.


def test_of_classes_named_equally_often_the_larger_mean_decides() -> None:
    assert judged([[1.0, 0.0, 0.0]], [[0.0, 0.0, 3.0]]).argmax(1).tolist() == [2]


def test_answers_that_agree_are_averaged_and_nothing_else() -> None:
    assert judged([[1.0, 0.0]], [[3.0, 2.0]]).tolist() == [[2.0, 1.0]]


def test_each_sample_has_a_majority_of_its_own() -> None:
    said = judged([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [5.0, 0.0]])
    assert said.argmax(1).tolist() == [0, 1]


def test_a_single_answer_of_nan_leaves_no_answer() -> None:
    assert judged([[1.0, 0.0]], [[float("nan"), 0.0]]).isnan().any()
