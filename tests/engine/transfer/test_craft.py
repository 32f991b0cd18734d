"""Examples made for other models: every step on every sample, the last point, inside the threat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from auditor import Access, Attack, Goal, Norm, Rng, Threat, View, parameter
from auditor.engine.aims import Aims
from auditor.engine.attempt import Ring
from auditor.engine.transfer.craft import craft, unfit
from auditor.engine.transfer.ensemble import together
from auditor_attacks.apgd import APGD
from auditor_attacks.cw import CW
from auditor_attacks.mifgsm import MIFGSM
from auditor_attacks.pgd import PGD
from auditor_attacks.square import Square
from auditor_attacks.uap import UAP
from tests.engine.conftest import Linear, gray, make_target

EPS = 0.2
VALUES = [0.10, 0.45, 0.55, 0.90]
X, Y = gray(VALUES), torch.tensor([0, 0, 1, 1])
ROWS = torch.arange(4)


def ring(target: Any = None, threat: Threat | None = None, **more: Any) -> Ring:
    threat = threat or Threat(norm=Norm.LINF, eps=EPS)
    return Ring(target=target or make_target(Linear()), threat=threat, seed=0, margin=0.0, **more)


@dataclass(frozen=True, kw_only=True)
class Answering(Attack):
    """Returns the samples and more: `far` from them, or `nothing` that is a number; or `crashes`."""

    name: ClassVar[str] = "answering"
    norms: ClassVar[frozenset[Norm]] = frozenset(Norm)
    access: ClassVar[Access] = Access.SCORES
    how: str = parameter("far", help="what it does", choices=("far", "nothing", "crashes"))

    def perturb(self, target: View, x: Tensor, y: Tensor, threat: Threat, rng: Rng) -> Tensor:
        if self.how == "crashes":
            raise ValueError("it broke")
        return x + torch.full_like(x, 5.0 if self.how == "far" else torch.nan)


@pytest.mark.parametrize("attack", [PGD(steps=10), MIFGSM(steps=10), APGD(steps=10, loss="margin")])
def test_a_sample_that_fell_is_carried_on_to_the_end_of_the_budget(attack: Attack) -> None:
    made = craft(ring(), attack, X, Aims(Y), ROWS)
    # The border lies 0.05 from two of the samples; the usual engine lets go of them there.
    towards = gray([0.30, 0.65, 0.35, 0.70])
    assert made.status == "ran"
    assert torch.allclose(made.points, towards, atol=1e-6)
    assert torch.equal(made.points, made.images)


def test_every_sample_pays_for_every_step() -> None:
    made = craft(ring(), PGD(steps=7, restarts=2), X, Aims(Y), ROWS)
    assert (made.forwards, made.backwards) == (4 * 2 * 8, 4 * 2 * 7)


def test_of_restarts_the_end_with_the_largest_margin_is_kept() -> None:
    made = [craft(ring(), PGD(steps=1, restarts=n, step_size=0.01), X, Aims(Y), ROWS).points for n in (1, 6)]
    wrong = [(points.flatten(1).mean(1) - 0.5) * (1 - 2 * Y) for points in made]
    assert bool((wrong[1] >= wrong[0]).all())
    assert bool((wrong[1] > wrong[0]).any())


def test_of_a_search_without_gradients_the_best_point_counts_not_the_last_guess() -> None:
    asked: list[Tensor] = []

    def network(x: Tensor) -> Tensor:
        asked.append(x.clone())
        return Linear()(x)

    made = craft(ring(make_target(network)), Square(queries=8), X, Aims(Y), ROWS)
    wrong = [(points.flatten(1).mean(1) - 0.5) * (1 - 2 * Y) for points in (*asked, made.points)]
    best = torch.stack(wrong[:-1]).amax(0)
    assert torch.allclose(wrong[-1], best)
    assert bool((wrong[-2] < best - 0.01).any())


def test_what_an_attack_returns_is_brought_within_the_threat() -> None:
    made = craft(ring(), Answering(), X, Aims(Y), ROWS)
    assert torch.allclose(made.points, (X + EPS).clamp(max=1.0))
    assert bool(made.sound.all())


def test_points_without_a_value_are_not_sound() -> None:
    made = craft(ring(), Answering(how="nothing"), X, Aims(Y), ROWS)
    assert (made.status, bool(made.sound.any())) == ("ran", False)


def test_an_attack_that_breaks_is_a_sentence() -> None:
    made = craft(ring(), Answering(how="crashes"), X, Aims(Y), ROWS)
    assert (made.status, made.reason) == ("failed", "ValueError: it broke")


def test_a_deadline_that_has_passed_ends_it() -> None:
    assert craft(ring(deadline=0.0), PGD(), X, Aims(Y), ROWS).status == "timed out"


def test_what_is_random_is_decided_by_the_position_of_a_sample_in_the_data() -> None:
    attack = PGD(steps=1, step_size=0.001)
    whole = craft(ring(), attack, X, Aims(Y), ROWS).points
    part = craft(ring(), attack, X[2:], Aims(Y[2:]), ROWS[2:]).points
    assert torch.equal(whole[2:], part)


def test_a_wanted_class_is_climbed_towards() -> None:
    class Three(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            mean = x.flatten(1).mean(1)
            return torch.stack([torch.full_like(mean, 0.5), mean, -3.0 * mean], 1)

    target = make_target(Three(), num_classes=3)
    threat = Threat(norm=Norm.LINF, eps=EPS, goal=Goal.TARGETED, target=2)
    made = craft(ring(target, threat), PGD(steps=10), X, Aims(Y, torch.full_like(Y, 2)), ROWS)
    assert torch.allclose(made.points, (X - EPS).clamp(min=0.0), atol=1e-6)


def test_a_mask_bounds_it() -> None:
    mask = torch.tensor([[[True, False], [False, False]]])
    threat = replace(Threat(norm=Norm.LINF, eps=EPS), mask=mask)
    change = (craft(ring(threat=threat), PGD(steps=10), X, Aims(Y), ROWS).images - X).abs().amax((0, 1))
    assert float(change[0, 0]) == pytest.approx(EPS, abs=1e-6)
    assert float(change.sum()) == pytest.approx(EPS, abs=1e-6)


@pytest.mark.parametrize(("attack", "why"), [(CW(), "smallest change"), (UAP(), "one change for all"), (PGD(), "")])
def test_attacks_whose_last_point_means_nothing_elsewhere_are_named(attack: Attack, why: str) -> None:
    assert why in unfit(attack)
    assert bool(unfit(attack)) == bool(why)


class Pixel(torch.nn.Module):
    """Class 1 where one pixel exceeds one half."""

    def __init__(self, at: int, steep: float = 10.0) -> None:
        super().__init__()
        self.at, self.steep = at, steep

    def forward(self, x: Tensor) -> Tensor:
        score = self.steep * (x.flatten(1)[:, self.at] - 0.5)
        return torch.stack([-score, score], 1)


def test_an_ensemble_is_attacked_in_all_its_members_at_once(build: Callable[..., Any]) -> None:
    members = [build(Pixel(at)) for at in (0, 3)]
    change = (craft(ring(together(members, "both")), PGD(steps=10), X, Aims(Y), ROWS).points - X).abs().flatten(1)
    assert torch.allclose(change[:, [0, 3]], torch.full((4, 2), EPS), atol=1e-6)
    alone = (craft(ring(members[0]), PGD(steps=10), X, Aims(Y), ROWS).points - X).abs().flatten(1)
    assert bool((alone[:, 3] < EPS - 1e-3).any())


def test_the_answer_of_an_ensemble_is_the_mean_of_its_members_logits(build: Callable[..., Any]) -> None:
    both = together([build(Pixel(0, 1.0)), build(Pixel(3, 3.0))], "both")
    x = gray([0.9])
    assert torch.allclose(both.answer(x), torch.tensor([[-0.8, 0.8]]))
    assert torch.allclose(both.differentiable(x), both.answer(x))
