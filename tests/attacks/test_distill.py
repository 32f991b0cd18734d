"""The substitute of Papernot et al.: how it asks, and for which samples there is a network."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from auditor_attacks.distill import Distill


@dataclass
class Asked:
    """Answers with the class of the brighter half, and keeps what it was asked."""

    left: int
    num_classes: int = 2
    rounds: list[Tensor] = field(default_factory=list)

    def ask(self, x: Tensor) -> Tensor:
        self.left -= len(x)
        self.rounds.append(x)
        flat = x.flatten(1)
        half = flat.shape[1] // 2
        return torch.nn.functional.one_hot((flat[:, half:].sum(1) > flat[:, :half].sum(1)).long(), 2).float()

    def check_time(self) -> None:
        pass


def trained(distill: Distill, x: Tensor) -> Asked:
    oracle = Asked(distill.queries)
    network = distill.network(tuple(x.shape[1:]), 2)
    distill.train(network, oracle, x)
    return oracle


def test_samples_double_while_questions_suffice_and_a_random_part_of_equal_size_follows() -> None:
    sizes = [len(x) for x in trained(Distill(queries=200, seeds=10, epochs=1), torch.rand(10, 1, 8, 8)).rounds]
    assert sizes == [10, 10, 20, 40, 40, 40, 40]
    assert [len(x) for x in trained(Distill(queries=640, epochs=1), torch.rand(10, 1, 8, 8)).rounds][1:] == [
        10 * 2**turn for turn in range(6)
    ]


def test_no_more_is_asked_than_was_allowed_whatever_that_is() -> None:
    for queries in (1, 3, 11, 57):
        assert trained(Distill(queries=queries, epochs=1), torch.rand(7, 5)).left == 0


def test_samples_move_by_the_step_along_the_substitutes_signs_and_after_a_period_the_other_way() -> None:
    x = torch.full((4, 1, 8, 8), 0.5)
    rounds = trained(Distill(queries=16, rounds=2, epochs=1, step=0.1, period=1), x).rounds
    assert torch.allclose((rounds[1] - 0.5).abs(), torch.tensor(0.1))
    first, second = rounds[1] - x, rounds[2][:4] - x[:4]
    assert (first * second).mean() < 0  # the substitute has hardly changed, the sign of the step has


def test_a_move_towards_what_the_substitute_believes_stays_in_the_box() -> None:
    for x in trained(Distill(queries=60, epochs=1, step=0.9), torch.rand(8, 3, 8, 8)).rounds:
        assert x.min() >= 0.0
        assert x.max() <= 1.0


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 8, 8), (3, 9, 40), (4,), (1, 1, 1), (2, 30)])
def test_there_is_a_network_for_every_shape_of_samples(shape: tuple[int, ...]) -> None:
    network = Distill().network(shape, 5)
    assert network(torch.rand(3, *shape)).shape == (3, 5)


def test_it_learns_what_it_is_told() -> None:
    x = torch.rand(300, 1, 8, 8)
    oracle, distill = Asked(600), Distill(queries=600, epochs=10)
    network = distill.network((1, 8, 8), 2)
    distill.train(network, oracle, x[:60])
    said = Asked(300).ask(x).argmax(1)
    assert (network(x).argmax(1) == said)[60:].float().mean() > 0.8
