"""Lanes are asked until their samples fall or their goals are over; a lane that is done makes room at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from auditor import Lanes, Norm, Rng, Threat, View
from auditor.engine.drive import Result, drive
from auditor.engine.ledger import Ledger
from auditor.engine.view import OutOfTime
from tests.engine.strides import STRIDE, Slope, Stride, Walk, questions, strides_short

LINF = Threat(norm=Norm.LINF, eps=0.25)
SHORT = [1.0, 3.0, 9.0, 2.0, 6.0, 7.0, 1.0]


@dataclass
class Line:
    """Feeds samples into the places of those that are done, and notes who came and went, and when."""

    ledger: Ledger
    waiting: list[int]
    x: Tensor
    y: Tensor
    retired: list[int]

    def retire(self, rows: Tensor) -> None:
        self.retired += [int(row) for row in rows]
        self.ledger.active[rows] = False

    def refill(self, rows: Tensor) -> Tensor:
        rows = rows[: len(self.waiting)]
        theirs = torch.tensor([self.waiting.pop(0) for _ in rows], dtype=torch.int64)
        fresh = Ledger.open(self.x[theirs], self.y[theirs], LINF, 2, 0.0, float("inf"))
        self.ledger.take(rows, fresh, torch.arange(len(rows)))
        return rows


def opened(images: Any, short: list[float] = SHORT, **more: Any) -> Ledger:
    x = images(strides_short(short).tolist())
    y = (x.flatten(1).mean(1) > 0.5).long()
    return Ledger.open(x, y, LINF, 2, **{"margin": 0.0, "deadline": float("inf")} | more)


def driven(attack: Stride, target: Any, ledger: Ledger, rows: Tensor | None = None) -> Result:
    view = View(target, ledger, attack.access, rows)
    return drive(attack, view, LINF, Rng.keyed(0, attack.name, torch.arange(len(ledger.x))))


@pytest.mark.parametrize("attack", [Stride(steps=6), Slope(steps=6)], ids=lambda a: a.name)
def test_a_sample_costs_the_questions_until_it_falls_and_one_answer_at_the_end(target, images, attack: Stride) -> None:
    ledger = opened(images)
    driven(attack, target, ledger)
    assert ledger.found.tolist() == [short <= 6 for short in SHORT]
    assert ledger.asked.tolist() == [questions(short, 6) for short in SHORT]
    climbed = [min(questions(short, 6), 6) for short in SHORT]
    assert ledger.climbed.tolist() == (climbed if attack.name == "slope" else [0] * len(SHORT))


def test_a_sample_that_withstands_costs_what_the_forecast_says(target, images) -> None:
    for attack in (Stride(steps=5, tours=3), Slope(steps=4, tours=2), Stride(steps=0, tours=2), Slope(steps=1)):
        ledger = opened(images, [20.0] * 3)
        driven(attack, target, ledger)
        forecast = attack.passes(2)
        assert ledger.asked.tolist() == [forecast.forwards] * 3
        assert ledger.climbed.tolist() == [forecast.backwards] * 3


def test_samples_that_fell_are_asked_no_more_and_the_others_go_on(target, network, images) -> None:
    ledger = opened(images)
    driven(Stride(steps=6), target, ledger)
    falls = [questions(short, 6) for short in SHORT]
    assert network.calls == [sum(fall >= question for fall in falls) for question in range(1, 8)]


def test_the_closest_points_and_their_margins_are_what_was_reached(target, images) -> None:
    ledger = opened(images, [9.0, 12.0])
    closest, margin = driven(Stride(steps=4), target, ledger)
    expected = strides_short([5.0, 8.0])
    assert torch.equal(closest.flatten(1).mean(1), expected)
    assert torch.allclose(margin, -20.0 * (expected - 0.5).abs())
    assert torch.equal(ledger.closest, closest)


def test_a_point_known_from_before_is_kept_unless_a_closer_one_is_found(target, images) -> None:
    ledger = opened(images, [9.0, 12.0])
    known = images(strides_short([6.0, 2.0]).tolist())
    ledger.closest, ledger.closest_margin = known.clone(), torch.tensor([-5.5 * 20 / 64, -1.5 * 20 / 64])
    shown: list[float] = []

    @dataclass(frozen=True, kw_only=True)
    class Curious(Stride):
        """Looks at what is known before it begins."""

        def begin(self, target: View, begun: Lanes, threat: Threat, earlier: Walk | None) -> Walk:
            assert torch.equal(begun.closest, known)
            shown.extend(begun.margin.tolist())
            return super().begin(target, begun, threat, earlier)

    closest, _ = driven(Curious(steps=4), target, ledger)
    assert torch.equal(closest.flatten(1).mean(1), strides_short([5.0, 2.0]))
    assert shown == [-5.5 * 20 / 64, -1.5 * 20 / 64]


def test_the_next_goal_begins_only_for_samples_that_stand_and_knows_how_the_last_one_ended(target, images) -> None:
    begun: list[tuple[list[int], list[int], list[float] | None]] = []

    @dataclass(frozen=True, kw_only=True)
    class Twice(Stride):
        """Goes on from where its first goal ended."""

        def begin(self, target: View, begun_: Lanes, threat: Threat, earlier: Walk | None) -> Walk:
            # Lanes change places when others leave.
            at = None if earlier is None else sorted(earlier.point.flatten(1).mean(1).tolist())
            begun.append((begun_.goal.tolist(), begun_.step.tolist(), at))
            lanes = super().begin(target, begun_, threat, earlier)
            lanes.towards = lanes.towards.abs() * (1.0 - 2.0 * begun_.y)
            if earlier is not None:
                lanes.point = earlier.point.clone()
            return lanes

    ledger = opened(images, [2.0, 7.0, 20.0])
    driven(Twice(steps=4, tours=2), target, ledger)
    first, second = begun
    assert first == ([0, 0, 0], [0, 0, 0], None)
    assert second == ([1, 1], [0, 0], sorted(strides_short([2.0, 3.0, 16.0])[1:].tolist()))
    assert ledger.found.tolist() == [True, True, False]
    # The point that ends a goal begins the next and is asked about twice.
    assert ledger.asked.tolist() == [3, 5 + 4, 10]


def test_lanes_leave_at_once_and_new_ones_come_to_an_end_of_their_own(target, network, images) -> None:
    ledger = opened(images, [9.0, 2.0, 1.0])
    x = images(strides_short([5.0, 12.0, 2.0, 1.0, 3.0]).tolist())
    line = Line(ledger, [0, 1, 2, 3, 4], x, (x.flatten(1).mean(1) > 0.5).long(), [])
    view = View(target, ledger, Stride.access)
    drive(Stride(steps=6), view, LINF, Rng.keyed(0, "s", torch.arange(3)), line)
    # Rows 2 and 1 fall after 2 and 3 questions; their places go to 5, which takes 6, and 12, which takes 7 …
    assert line.retired[:2] == [2, 1]
    assert len(line.retired) == 8
    assert sum(network.calls) == sum(questions(short, 6) for short in (9, 2, 1, 5, 12, 2, 1, 3))


def test_rows_that_fell_before_are_left_alone(target, network, images) -> None:
    ledger = opened(images)
    ledger.active[torch.tensor([1, 3])] = False
    driven(Stride(steps=6), target, ledger)
    assert ledger.asked[torch.tensor([1, 3])].tolist() == [0, 0]
    network.calls.clear()
    ledger.active.fill_(False)
    driven(Stride(steps=6), target, ledger)
    assert network.calls == []


def test_a_part_of_the_rows_is_driven_as_if_it_were_alone(target, images) -> None:
    whole, part = opened(images), opened(images)
    driven(Stride(steps=6), target, whole)
    rows = torch.tensor([5, 1, 2])
    closest, _ = driven(Stride(steps=6), target, part, rows)
    assert torch.equal(part.asked[rows], whole.asked[rows])
    assert int(part.asked.sum()) == int(whole.asked[rows].sum())
    assert torch.equal(closest, whole.closest[rows])


def test_all_fell_is_no_exception_and_time_that_is_up_is_one(target, images) -> None:
    ledger = opened(images, [1.0, 2.0])
    driven(Stride(steps=6), target, ledger)
    assert ledger.found.all()
    with pytest.raises(OutOfTime):
        driven(Stride(steps=6), target, opened(images, deadline=0.0))


def test_a_search_that_ends_at_nan_leaves_its_sample_unanswered(target, images) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Lost(Stride):
        """Loses its way on dark samples."""

        name: ClassVar[str] = "lost"

        def advance(self, lanes: Walk, answer: Any, threat: Threat) -> None:
            super().advance(lanes, answer, threat)
            lanes.point[(lanes.y == 0) & (lanes.step == 2)] = torch.nan

    ledger = opened(images, [9.0, 9.0, 1.0])
    closest, _ = driven(Lost(steps=4), target, ledger)
    assert ledger.unanswered.tolist() == [True, False, False]
    assert ledger.found.tolist() == [False, False, True]
    assert torch.isfinite(closest).all()


def test_points_outside_the_threat_are_neither_examples_nor_the_closest(target, images) -> None:
    @dataclass(kw_only=True)
    class Far(Walk):
        """Knows that its points are too far off while they are."""

        def inside(self, threat: Threat) -> Tensor:
            return (self.point - self.x).flatten(1).abs().amax(1) <= 2.5 * STRIDE

    @dataclass(frozen=True, kw_only=True)
    class Wide(Stride):
        """Walks on beyond the ball."""

        def begin(self, target: View, begun: Lanes, threat: Threat, earlier: Any) -> Far:
            walk = super().begin(target, begun, threat, earlier)
            return Far.of(walk, towards=walk.towards)

    for steps in (1, 3, 6):
        ledger = opened(images, [9.0, 20.0])
        closest, margin = driven(Wide(steps=steps), target, ledger)
        reached = min(steps, 2)
        assert torch.equal(closest.flatten(1).mean(1), strides_short([9.0 - reached, 20.0 - reached]))
        assert torch.equal(ledger.closest_margin, margin)
