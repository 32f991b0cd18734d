"""The pool of pre-made examples: it grows, is refreshed from its oldest end, and is drawn from with its own labels."""

from __future__ import annotations

import pytest
import torch

from auditor.types import Norm, Threat
from auditor_defenses.pool import Pool
from tests.harden.trainees import linear, streams

LINF = Threat(norm=Norm.LINF, eps=0.125)
RECIPE = Pool(size=6, share=0.5, step_size=1.0)


def batch(level: float, label: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.full((4, 2), level), torch.full((4,), label)


def test_it_grows_by_every_second_batch_for_a_half_of_all_and_then_replaces_the_oldest() -> None:
    trainee = linear([[1.0, 1.0], [0.0, 0.0]])
    held = []
    for trainee.step, level in enumerate((0.2, 0.3, 0.4, 0.5, 0.6)):
        x, y = batch(level, 0)
        RECIPE.perturb(trainee, x, y, LINF, streams(4, trainee.step))
        held.append((int(trainee.memory["made"]), trainee.memory["examples"][:, 0].tolist()))
    assert [made for made, _ in held] == [4, 4, 8, 8, 12]
    rounded = [[round(value + 0.125, 3) for value in examples if value] for _, examples in held]
    assert rounded[::2] == [[0.2] * 4, [0.4] * 2 + [0.2] * 2 + [0.4] * 2, [0.4, 0.4] + [0.6] * 4]


@pytest.mark.parametrize(("share", "made"), [(1.0, [4, 8, 12]), (0.75, [3, 6, 9]), (0.4, [3, 3, 6]), (0.0, [4, 4, 4])])
def test_any_share_of_the_samples_is_attacked_in_the_mean(share: float, made: list[int]) -> None:
    trainee, found = linear([[1.0, 1.0], [0.0, 0.0]]), []
    for trainee.step in range(3):
        Pool(size=20, share=share, steps=1).perturb(trainee, *batch(0.5, 0), LINF, streams(4, trainee.step))
        found.append(int(trainee.memory["made"]))
    assert found == made


def test_what_joins_is_the_worst_example_for_the_network_as_it_is_now() -> None:
    trainee = linear([[1.0, -1.0], [0.0, 0.0]])
    x, y = batch(0.5, 0)
    RECIPE.perturb(trainee, x, y, LINF, streams(4))
    torch.testing.assert_close(trainee.memory["examples"][:4], torch.tensor([[0.375, 0.625]] * 4))
    with torch.no_grad():
        next(iter(trainee.weights.values())).neg_()
    RECIPE.perturb(trainee, x, y, LINF, streams(4))
    # The pool has six places: two new ones, then the oldest.
    torch.testing.assert_close(trainee.memory["examples"][[4, 5, 0, 1]], torch.tensor([[0.625, 0.375]] * 4))


def test_draws_come_from_the_filled_part_alone_and_keep_their_labels() -> None:
    trainee, recipe = linear([[1.0, 1.0], [0.0, 0.0]]), Pool(size=20, share=0.5, step_size=1.0)
    for trainee.step, (level, label) in enumerate(((0.25, 0), (0.75, 1))):
        trainee.step *= 2
        x, y = batch(level, label)
        drawn = recipe.perturb(trainee, x, y, LINF, streams(4))
        assert (drawn > 0.0).all()
    trainee.step, (x, y) = 3, batch(0.5, 1)
    drawn = recipe.perturb(trainee, x, y, LINF, streams(4, 1))
    # Class 0 was pushed down from 0.25, class 1 up from 0.75.
    labels = (drawn[:, 0] > 0.5).long()
    assert labels.unique().tolist() == [0, 1]
    loss = recipe.loss(trainee, x, drawn, y, LINF, streams(4))
    both, target = torch.cat([x, drawn]), torch.cat([y, labels])
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(trainee(both), target, reduction="none"))
