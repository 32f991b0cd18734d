"""The closed forms that the kit holds attacks against."""

from __future__ import annotations

from itertools import combinations, product
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from auditor import Access, Attack, Norm, Rng, Threat, View
from auditor.testing import Linear, questions


@pytest.mark.parametrize("num_classes", [2, 3])
def test_in_l0_the_closed_form_is_what_trying_every_set_of_entries_finds(num_classes: int) -> None:
    model = Linear.draw((1, 3, 5), num_classes, 3, Norm.L0)

    def falls(row: Tensor, label: Tensor, entries: int) -> bool:
        # The margins are linear in each entry, so the corners of the box decide.
        changed = []
        for chosen in combinations(range(15), entries):
            for values in product((0.0, 1.0), repeat=entries):
                changed.append(row.clone())
                changed[-1][list(chosen)] = torch.tensor(values)
        return bool((model.network(torch.stack(changed)).argmax(1) != label).any())

    assert len(model.x) == 3
    assert model.eps > 1
    for row, label in zip(model.x.flatten(1), model.y, strict=True):
        assert falls(row, label, int(model.eps))
        assert not falls(row, label, int(model.eps) - 1)


def test_near_the_grey_sample_a_single_entry_is_enough() -> None:
    assert Linear.draw((1, 4, 4), 2, 8, Norm.L0, away=0.0).eps == 1.0


class Idle(Attack):
    """Finds: nothing. Blind to: all. Cost: none."""

    name: ClassVar[str] = "idle"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.L0})
    access: ClassVar[Access] = Access.SCORES

    def perturb(self, target: View, x: Tensor, y: Tensor, threat: Threat, rng: Rng) -> Tensor:
        return x


class IdleWithoutBudget(Idle):
    """Finds: nothing. Blind to: all. Cost: none."""

    minimal: ClassVar[bool] = True


@pytest.mark.parametrize("attack", [Idle(), IdleWithoutBudget()], ids=lambda a: type(a).__name__)
def test_attacks_in_l0_are_held_against_it(attack: Attack) -> None:
    (asked,) = (question for question in questions(attack) if "linear model" in question.sentence)
    with pytest.raises(AssertionError, match=r"fools (none|0) of"):
        asked.ask()
