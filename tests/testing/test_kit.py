"""The conformance kit: what conforms passes, and each broken promise is told by the question that is about it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from auditor import (
    Access,
    Attack,
    Format,
    Norm,
    Passes,
    Recipe,
    Rng,
    Run,
    Threat,
    View,
    Wrapper,
    parameter,
)
from auditor.engine.view import OutOfTime
from auditor.harden.trainee import Trainee
from auditor.testing import questions


def broken(thing: object) -> list[str]:
    """The sentences that are not true of it."""
    found = []
    for question in questions(thing):
        try:
            question.ask()
        except Exception:
            found.append(question.sentence)
    return found


def loss(logits: Tensor, y: Tensor) -> Tensor:
    return functional.cross_entropy(logits, y, reduction="none")


@dataclass(frozen=True, kw_only=True)
class Climb(Attack):
    """Steps along the sign of the gradient.

    Finds: what lies uphill. Blind to: the rest. Cost: a pass forward and back for each step.
    """

    name: ClassVar[str] = "climb"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF})
    access: ClassVar[Access] = Access.GRADIENTS

    steps: int = parameter(4, help="steps in all", low=1)

    def passes(self, num_classes: int) -> Passes:
        return Passes(forwards=self.steps + 1, backwards=self.steps)

    def perturb(self, target: View, x: Tensor, y: Tensor, threat: Threat, rng: Rng) -> Tensor:
        point = x
        for _ in range(self.steps):
            slope = target.gradient(point, y, loss).gradient
            point = threat.project(point + threat.eps * slope.sign(), x)
        return point


class Overshoots(Climb):
    def perturb(self, target: View, x: Tensor, y: Tensor, threat: Threat, rng: Rng) -> Tensor:
        return super().perturb(target, x, y, threat, rng).double()


class SharesNoise(Climb):
    def perturb(self, target: View, x: Tensor, y: Tensor, threat: Threat, rng: Rng) -> Tensor:
        noise = torch.rand(x.shape, generator=torch.Generator().manual_seed(0))
        return super().perturb(target, threat.project(x + threat.eps * (2 * noise - 1), x), y, threat, rng)


class DrawsGlobally(Climb):
    def perturb(self, target: View, x: Tensor, y: Tensor, threat: Threat, rng: Rng) -> Tensor:
        return threat.project(x + threat.eps * torch.randn_like(x), x)


class WritesInPlace(Climb):
    def perturb(self, target: View, x: Tensor, y: Tensor, threat: Threat, rng: Rng) -> Tensor:
        return super().perturb(target, x.add_(1e-3).clamp_(0, 1), y, threat, rng)


class Understates(Climb):
    def passes(self, num_classes: int) -> Passes:
        return Passes(forwards=1, backwards=1)


class Swallows(Climb):
    def perturb(self, target: View, x: Tensor, y: Tensor, threat: Threat, rng: Rng) -> Tensor:
        for _ in range(2):
            try:
                target.gradient(x, y, loss)
            except OutOfTime:
                target.ledger.deadline = float("inf")
        return x


class WrongWay(Climb):
    def perturb(self, target: View, x: Tensor, y: Tensor, threat: Threat, rng: Rng) -> Tensor:
        return threat.project(x - threat.eps * target.gradient(x, y, loss).gradient.sign(), x)


class NeedsGradients(Climb):
    access: ClassVar[Access] = Access.SCORES


class DrawsFromNumPy(Climb):
    def perturb(self, target: View, x: Tensor, y: Tensor, threat: Threat, rng: Rng) -> Tensor:
        np.random.rand()
        return super().perturb(target, x, y, threat, rng)


class GivesUp(Climb):
    """Says that it looks for the smallest change, and asks once."""

    minimal: ClassVar[bool] = True

    def perturb(self, target: View, x: Tensor, y: Tensor, threat: Threat, rng: Rng) -> Tensor:
        target.labels(x)
        return x


class SaysNothing(Climb):
    """Climbs."""


def test_an_attack_that_conforms_keeps_every_promise() -> None:
    assert broken(Climb()) == []


@pytest.mark.parametrize(
    ("attack", "about"),
    [
        (Overshoots, "keeps to the budget"),
        (SharesNoise, "neither batch size nor order"),
        (DrawsGlobally, "random state"),
        (DrawsGlobally, "the same seed"),
        (DrawsFromNumPy, "random state"),
        (GivesUp, "a change of every sample"),
        (WritesInPlace, "stay as they were"),
        (Understates, "forecast of passes"),
        (Swallows, "when time is up"),
        (WrongWay, "fools a linear model"),
        (NeedsGradients, "no gradients"),
        (SaysNothing, "says what it does"),
    ],
)
def test_each_promise_that_an_attack_breaks_is_told(attack: type[Attack], about: str) -> None:
    if attack is not SaysNothing:
        attack.__doc__ = Climb.__doc__
    assert any(about in sentence for sentence in broken(attack()))


@dataclass(frozen=True, kw_only=True)
class Plain(Recipe):
    """Trains as usual.

    Helps: accuracy. Blind to: attacks. Cost: none.
    """

    name: ClassVar[str] = "plain"

    def perturb(self, trainee: Trainee, x: Tensor, y: Tensor, threat: Threat, rng: Rng) -> Tensor:
        return x

    def loss(self, trainee: Trainee, x: Tensor, adversarial: Tensor, y: Tensor, threat: Threat, rng: Rng) -> Tensor:
        return trainee.cross_entropy(trainee(adversarial), y)


class MovesStatistics(Plain):
    def perturb(self, trainee: Trainee, x: Tensor, y: Tensor, threat: Threat, rng: Rng) -> Tensor:
        trainee(x)
        return x


class Dice(Plain):
    def loss(self, trainee: Trainee, x: Tensor, adversarial: Tensor, y: Tensor, threat: Threat, rng: Rng) -> Tensor:
        return super().loss(trainee, x, adversarial, y, threat, rng) * torch.rand(())


class RemembersGraphs(Plain):
    def loss(self, trainee: Trainee, x: Tensor, adversarial: Tensor, y: Tensor, threat: Threat, rng: Rng) -> Tensor:
        trainee.memory["last"] = found = super().loss(trainee, x, adversarial, y, threat, rng)
        return found


@pytest.mark.parametrize(
    ("recipe", "about"),
    [
        (MovesStatistics, "changes neither samples, weights"),
        (Dice, "the same seed"),
        (RemembersGraphs, "checkpoint"),
    ],
)
def test_each_promise_that_a_recipe_breaks_is_told(recipe: type[Recipe], about: str) -> None:
    recipe.__doc__ = Plain.__doc__
    assert broken(Plain()) == []
    assert any(about in sentence for sentence in broken(recipe()))


@dataclass(frozen=True, kw_only=True)
class Half(Wrapper):
    """Halves contrast.

    Helps: nobody. Blind to: all. Cost: none.
    """

    name: ClassVar[str] = "half"
    differentiable: ClassVar[bool] = True

    def apply(self, x: Tensor) -> Tensor:
        return 0.5 * x


class Company(Half):
    def apply(self, x: Tensor) -> Tensor:
        return x - x.mean(0, keepdim=True)


class Opaque(Half):
    def apply(self, x: Tensor) -> Tensor:
        return (4.0 * x).round() / 4.0


class Shrinks(Half):
    def apply(self, x: Tensor) -> Tensor:
        return x[..., :-1]


@pytest.mark.parametrize(
    ("wrapper", "about"), [(Company, "in any batch"), (Opaque, "follow gradients"), (Shrinks, "keep shape")]
)
def test_each_promise_that_a_wrapper_breaks_is_told(wrapper: type[Wrapper], about: str) -> None:
    wrapper.__doc__ = Half.__doc__
    assert broken(Half()) == []
    assert any(about in sentence for sentence in broken(wrapper()))


class Word(Format):
    name = "word"
    filename = "word.txt"
    help = "One word."

    def render(self, run: Run, templates: tuple[str, ...] = ()) -> str:
        return run.result.verdict


def test_a_format_has_to_cope_with_every_run_and_to_be_pure() -> None:
    class Hopeful(Word):
        def render(self, run: Run, templates: tuple[str, ...] = ()) -> str:
            return f"{run.result.models[0].threats[0].robust_accuracy:.1%}"

    class Scribbles(Word):
        def render(self, run: Run, templates: tuple[str, ...] = ()) -> str:
            (run.path / "note.txt").write_text("x")
            return "x"

    assert broken(Word()) == []
    assert [sentence for sentence in broken(Hopeful()) if "could not be audited" in sentence]
    assert [sentence for sentence in broken(Hopeful()) if "not evaluated" in sentence]
    assert broken(Scribbles()) == ["the same run gives the same text, and the run is left as it is"]


def test_what_the_kit_cannot_ask_about_is_said() -> None:
    with pytest.raises(TypeError, match="no questions"):
        questions(3)
    assert dataclasses.is_dataclass(questions(Word())[0])


def test_where_there_is_an_accelerator_attacks_are_asked_on_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Astray(Climb):
        """Leaves the device that it was given."""

        def perturb(self, view: View, x: Tensor, y: Tensor, threat: Threat, rng: Rng) -> Tensor:
            return super().perturb(view, x, y, threat, rng).to("meta")

    sentence = "linf: it works where the model is, not on the CPU alone"
    assert sentence not in [question.sentence for question in questions(Climb())]
    # The CPU stands in for it: no test may need a device that few machines have.
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cpu"))
    assert sentence in [question.sentence for question in questions(Climb())]
    assert sentence not in broken(Climb())
    assert sentence in broken(Astray())
